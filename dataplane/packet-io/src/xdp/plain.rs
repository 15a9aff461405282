//! Our keys and values, as the map library takes them.

use aya::Pod;

/// A key or value of a map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Plain<T>(pub(super) T);

/// Declares types without padding whose every bit pattern is a value: all have their gaps as named fields, and the
/// test of `ebpf-maps` compares them with C's.
macro_rules! plain {
    ($($layout:ty),* $(,)?) => {
        $(
            // SAFETY: numbers and arrays of them only, without padding.
            unsafe impl Pod for Plain<$layout> {}
        )*
    };
}

plain!(
    ebpf_maps::FlowKey,
    ebpf_maps::Shunt,
    ebpf_maps::Address,
    ebpf_maps::Service,
    ebpf_maps::Settings,
    ebpf_maps::Count,
    ebpf_maps::Probe,
);
