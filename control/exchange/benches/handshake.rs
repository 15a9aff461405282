//! What a handshake costs each side, in CPU time: `cargo bench -p exchange --features measure`. One JSON object per line.

#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a benchmark")]

use exchange::measure::{Cost, handshakes};
use exchange::primitive::Backend;
use exchange::selftest::prove;

fn main() {
    // `cargo test --benches` only wants to know whether it runs.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { 401 } else { 3 };
    let costs = handshakes(prove().unwrap(), &Backend::ALL, rounds).unwrap();
    let base = &costs[0];
    for Cost { name, backend, resumed, client, server, bytes } in &costs {
        println!(
            "{{\"handshake\":\"{name}\",\"library\":\"{}\",\"resumed\":{resumed},\"client_us\":{:.0},\"server_us\":{:.0},\"bytes\":{bytes},\"client_ratio\":{:.2},\"server_ratio\":{:.2}}}",
            backend.map_or("", Backend::name),
            client.as_secs_f64() * 1e6,
            server.as_secs_f64() * 1e6,
            client.as_secs_f64() / base.client.as_secs_f64(),
            server.as_secs_f64() / base.server.as_secs_f64(),
        );
    }
}
