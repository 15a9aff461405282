//! Keys of an epoch as orders to the data plane.

use api::tunnel::{Install, Order, SaDirection, SaKeyMaterial, Suite};
use exchange::channel::{Keys, Sa};

use super::plan::WantedPeer;

/// The orders that install an epoch, in their order. Each holds one key, and is wiped when it was given.
pub(super) fn of_keys<'a>(peer: &'a WantedPeer, keys: &'a Keys) -> impl Iterator<Item = Order> + 'a {
    let install = |direction: SaDirection, sa: &Sa| {
        Order::Install(Box::new(Install {
            peer: peer.name,
            epoch: keys.epoch,
            direction,
            queue: sa.queue,
            spi: sa.spi,
            framing: peer.framing,
            suite: Suite::Aes256Gcm16,
            limits: peer.limits,
            remote: None,
            key: SaKeyMaterial::copied(sa.key.expose()),
        }))
    };
    let inbound = keys.inbound.iter().map(move |sa| install(SaDirection::Inbound, sa));
    let outbound = keys.outbound.iter().map(move |sa| install(SaDirection::Outbound, sa));
    let complete = Order::Complete { peer: peer.name, epoch: keys.epoch };
    inbound.chain(outbound).chain(std::iter::once(complete))
}
