//! Changed packets are not opened, and leave the window where it was.

#[path = "../../examples/forgery/forger.rs"]
mod forger;

#[test]
fn of_packets_changed_on_the_way_none_is_accepted() {
    let tally = forger::run(7, 100_000).unwrap();
    assert_eq!((tally.tried, tally.accepted), (100_000, 0));
    assert!(tally.not_authentic > 50_000, "{tally}");
}
