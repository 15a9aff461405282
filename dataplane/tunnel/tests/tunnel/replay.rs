//! The replay window and the high half of numbers against a model that shares nothing with them.

#[path = "../../examples/replay-model/model.rs"]
mod model;

#[test]
fn the_window_is_the_model_over_a_million_operations() {
    for seed in 0..10 {
        assert_eq!(
            model::run(seed, 100_000).unwrap_or_else(|difference| panic!("{difference}")).operations,
            100_000
        );
    }
}
