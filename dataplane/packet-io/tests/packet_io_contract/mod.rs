//! What every backend of [`PacketIo`] promises, as tests that each can be put to.
//!
//! A test binary of a backend takes this module in (`mod packet_io_contract;`), implements [`Bench`] for it and calls
//! [`check`].

use packet_io::{BURST, Burst, PacketBuf, PacketIo, PacketMeta};

/// How a backend is set up for the tests.
pub(crate) trait Bench {
    /// The backend.
    type Io: PacketIo;

    /// A backend that receives exactly `packets`, once, in order.
    fn receiving(&mut self, packets: &[Vec<u8>]) -> Self::Io;

    /// The same, taking at most so many packets in one call of `transmit`, where the backend can be made to.
    fn with_transmit_room(&mut self, packets: &[Vec<u8>], room: usize) -> Option<Self::Io>;
}

/// How often a backend may have nothing to give before it is taken for stuck.
const PATIENCE: usize = 100_000;

/// More packets than any pool of buffers holds, of all lengths.
fn packets() -> Vec<Vec<u8>> {
    (0..20_000_u32).map(|number| number.to_be_bytes().repeat(15 + number as usize % 360)).collect()
}

/// Puts a backend to all tests.
pub(crate) fn check(bench: &mut impl Bench) {
    packets_come_in_order_and_complete(bench);
    receiving_appends_and_keeps_to_the_room(bench);
    buffers_go_back_to_their_pool(bench);
    transmitting_takes_from_the_front_and_leaves_the_rest(bench);
    packets_can_be_changed_in_place(bench);
    headers_can_be_put_on_and_taken_off_in_place(bench);
    packets_can_be_made(bench);
}

/// Calls `receive` until something came or nothing ever will.
fn receive_some<Io: PacketIo>(io: &mut Io, burst: &mut Burst<Io::Buf>) -> usize {
    let before = burst.len();
    for _ in 0..PATIENCE {
        io.receive(burst);
        if burst.len() > before || io.is_exhausted() {
            break;
        }
    }
    burst.len() - before
}

/// What was counted as lost on the way in.
fn lost(io: &impl PacketIo) -> u64 {
    let stats = io.stats();
    stats.rx_missed + stats.rx_errors + stats.rx_no_buffer
}

fn packets_come_in_order_and_complete(bench: &mut impl Bench) {
    let packets = packets();
    let (mut io, mut burst, mut expected) = (bench.receiving(&packets), Burst::new(), packets.iter());
    let (mut count, mut bytes) = (0, 0);
    while receive_some(&mut io, &mut burst) > 0 {
        for (buf, meta) in burst.drain(usize::MAX) {
            // Packets may be missing only if they were counted, which is seen below.
            assert!(
                expected.any(|packet| packet.as_slice() == buf.bytes()),
                "packet {count} is not the next one sent"
            );
            assert!(meta.wire_len as usize >= buf.bytes().len());
            (count, bytes) = (count + 1, bytes + u64::from(meta.wire_len));
        }
    }
    let stats = io.stats();
    assert_eq!((stats.rx_packets, stats.rx_bytes), (count, bytes));
    assert_eq!(count + lost(&io), packets.len() as u64, "packets got lost uncounted");
}

fn receiving_appends_and_keeps_to_the_room<B: Bench>(bench: &mut B) {
    let packets = packets();
    let (mut io, mut burst) = (bench.receiving(&packets), Burst::<<B::Io as PacketIo>::Buf>::new());
    let mut total = 0;
    for keep in [0, 1, 13, BURST - 1, BURST] {
        burst.drain(burst.len().saturating_sub(keep)).for_each(drop);
        let kept: Vec<Vec<u8>> = burst.bufs().iter().map(|buf| buf.bytes().to_vec()).collect();
        while burst.room() > 0 {
            total += receive_some(&mut io, &mut burst);
        }
        assert_eq!((burst.len(), burst.metas().len()), (BURST, BURST));
        assert!(
            kept.iter().zip(burst.bufs()).all(|(kept, buf)| kept.as_slice() == buf.bytes()),
            "what was there has changed"
        );
        io.receive(&mut burst);
        assert_eq!(burst.len(), BURST, "a full burst stays as it is");
    }
    let mut few = Burst::with_limit(5);
    while few.room() > 0 {
        total += receive_some(&mut io, &mut few);
    }
    io.receive(&mut few);
    assert_eq!(few.len(), 5, "not more than was asked for");
    assert_eq!(io.stats().rx_packets, total as u64);
}

fn buffers_go_back_to_their_pool(bench: &mut impl Bench) {
    let packets = packets();
    let mut io = bench.receiving(&packets);
    let mut count = 0;
    // Dropped with the burst, cleared, and transmitted in turn: whichever leaks ends the packets early.
    for way in (0..3).cycle() {
        let mut burst = Burst::new();
        let received = receive_some(&mut io, &mut burst);
        if received == 0 {
            break;
        }
        count += received as u64;
        match way {
            0 => drop(burst),
            1 => burst.clear(),
            _ => {
                for _ in 0..PATIENCE {
                    io.transmit(&mut burst);
                    if burst.is_empty() {
                        break;
                    }
                }
            }
        }
    }
    assert_eq!(count + lost(&io), packets.len() as u64);
    assert_eq!(io.stats().rx_no_buffer, 0, "buffers ran out");
}

fn transmitting_takes_from_the_front_and_leaves_the_rest<B: Bench>(bench: &mut B) {
    const ROOM: usize = 10;
    let packets = packets();
    let Some(mut io) = bench.with_transmit_room(&packets, ROOM) else { return };
    let mut burst = Burst::<<B::Io as PacketIo>::Buf>::new();
    while burst.room() > 0 {
        receive_some(&mut io, &mut burst);
    }
    let all: Vec<(Vec<u8>, PacketMeta)> =
        burst.bufs().iter().zip(burst.metas()).map(|(buf, meta)| (buf.bytes().to_vec(), *meta)).collect();
    let mut sent = 0;
    for _ in 0..PATIENCE {
        let before = burst.len();
        io.transmit(&mut burst);
        assert!(burst.len() <= before && before - burst.len() <= ROOM);
        sent += before - burst.len();
        assert_eq!(io.stats().tx_packets, sent as u64);
        let rest = burst.bufs().iter().zip(burst.metas());
        assert!(
            all.iter()
                .skip(sent)
                .zip(rest)
                .all(|((bytes, meta), (buf, left))| bytes.as_slice() == buf.bytes() && meta == left)
        );
        if burst.is_empty() {
            break;
        }
    }
    assert_eq!(sent, BURST, "packets were never taken");
    let bytes: usize = all.iter().map(|(bytes, _)| bytes.len()).sum();
    assert_eq!(io.stats().tx_bytes, bytes as u64);
}

fn packets_can_be_changed_in_place<B: Bench>(bench: &mut B) {
    let packets = packets();
    let (mut io, mut burst) = (bench.receiving(&packets), Burst::<<B::Io as PacketIo>::Buf>::new());
    receive_some(&mut io, &mut burst);
    for (number, buf) in burst.bufs_mut().iter_mut().enumerate() {
        buf.bytes_mut().fill(number as u8);
    }
    for (number, buf) in burst.bufs().iter().enumerate() {
        assert!(
            buf.bytes().iter().all(|&byte| byte == number as u8),
            "packet {number} shares bytes with another"
        );
    }
}

/// Room before packets that headers of tunnels need (IPv6, UDP, ESP, GRE, Ethernet with a tag).
const HEADROOM: usize = 68 + 18;

#[expect(clippy::indexing_slicing, reason = "a test, whose ranges are those of the buffer")]
fn headers_can_be_put_on_and_taken_off_in_place<B: Bench>(bench: &mut B) {
    let packets = packets();
    let (mut io, mut burst) = (bench.receiving(&packets), Burst::<<B::Io as PacketIo>::Buf>::new());
    receive_some(&mut io, &mut burst);
    let before: Vec<Vec<u8>> = burst.bufs().iter().map(|buf| buf.bytes().to_vec()).collect();
    for (number, (buf, before)) in burst.bufs_mut().iter_mut().zip(&before).enumerate() {
        let (storage, at) = buf.storage_mut();
        assert_eq!(&storage[at.clone()], before, "the storage holds the packet");
        let (all, has_room) = (storage.len(), at.start >= HEADROOM && storage.len() - at.end >= 21);
        let mut beyond = vec![at.start..all + 1, all..all + 1];
        if !has_room {
            // A packet that fills its buffer, or a backend without room: it stays as it is.
            beyond.push(at.start + 1..all + 1);
        } else {
            storage[at.start - HEADROOM..at.start].fill(number as u8);
            storage[at.end..at.end + 21].fill(0xee);
            assert!(buf.place(at.start - HEADROOM..at.end + 21));
            assert_eq!(buf.bytes().len(), HEADROOM + before.len() + 21);
            assert!(buf.bytes().starts_with(&[number as u8; HEADROOM]) && buf.bytes().ends_with(&[0xee; 21]));
            assert_eq!(&buf.bytes()[HEADROOM..HEADROOM + before.len()], before);
            assert!(buf.place(at.start + 14..at.end), "a header is taken off");
            assert_eq!(buf.bytes(), &before[14..]);
            assert_eq!(buf.storage_mut().1, at.start + 14..at.end);
            assert!(buf.place(at));
        }
        for range in beyond {
            assert!(!buf.place(range));
        }
        assert_eq!(buf.bytes(), before);
    }
    // Nobody wrote into another's room.
    for (buf, before) in burst.bufs().iter().zip(&before) {
        assert_eq!(buf.bytes(), before);
    }
}

fn packets_can_be_made<B: Bench>(bench: &mut B) {
    let packets = packets();
    let mut io = bench.receiving(&packets);
    assert!(io.make(&[0; 100_000]).is_none(), "no buffer is as long");
    for number in 0..300_u16 {
        let bytes = vec![number as u8; 60 + usize::from(number)];
        let Some(mut made) = io.make(&bytes) else {
            assert_eq!(number, 0, "buffers ran out");
            return;
        };
        assert_eq!(made.bytes(), bytes);
        let (_, at) = made.storage_mut();
        assert!(at.start >= HEADROOM, "a made packet has room");
    }
}
