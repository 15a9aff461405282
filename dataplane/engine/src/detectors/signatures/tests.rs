use super::*;

#[test]
fn the_builtin_set_compiles() {
    match SignatureSet::builtin() {
        Ok(set) => println!("{} signatures of {} protocols", set.len(), set.protocols().len()),
        Err(errors) => panic!("{errors}"),
    }
}

#[test]
fn report() {
    let set = SignatureSet::builtin().unwrap();
    let start = std::time::Instant::now();
    let report = Report::run(&set, &mut || u64::try_from(start.elapsed().as_nanos()).unwrap()).unwrap();
    for f in &report.failures {
        let s = &set.samples()[f.sample];
        println!("FAIL {}:{} want {} found {:?} {:?}", s.file, s.line, s.is_match, f.found, f.found.and_then(|f| set.label(f.signature)));
    }
    for o in &report.overlaps {
        let s = &set.samples()[o.sample];
        println!("OVERLAP {:?} on {}:{}", set.label(o.signature), s.file, s.line);
    }
    for (i, s) in report.signatures.iter().enumerate() {
        let l = set.label(i as u16).unwrap();
        if s.samples == 0 || s.random > 0 || s.price.ns_per_payload > 60.0 { println!("{}/{} {:?}", l.id, l.name, s); }
    }
    println!("{:?} random {} of {}", report.price, report.random_labels, report.random_payloads);
}

#[test]
fn timing() {
    use crate::protocols::{Carrier, Probe};
    use crate::record::Direction;
    let t = std::time::Instant::now();
    let set = SignatureSet::builtin().unwrap();
    println!("compile {:?}", t.elapsed());
    let (defs, _) = { let t = std::time::Instant::now(); let r = files::read(&files::builtin()); println!("parse {:?}", t.elapsed()); r };
    drop(defs);
    for (i, l) in set.lanes.iter().enumerate() { println!("lane {i} {l:?}"); }
    let mut scanner = Scanner::new(&set).unwrap();
    let mut payloads = vec![];
    let mut r = 12345u64;
    for _ in 0..4096 { let mut b = vec![0u8; 64]; for x in &mut b { r ^= r << 13; r ^= r >> 7; r ^= r << 17; *x = (r >> 24) as u8; } payloads.push(b); }
    let texts: Vec<Vec<u8>> = set.samples().iter().filter(|s| s.carrier == Carrier::Tcp).map(|s| s.payload.clone()).collect();
    for (name, payloads) in [("random64", &payloads), ("tcp samples", &texts)] {
    for (carrier, from) in [(Carrier::Tcp, Direction::ToServer), (Carrier::Tcp, Direction::ToClient), (Carrier::Udp, Direction::ToServer), (Carrier::Udp, Direction::ToClient)] {
        let mut best = f64::MAX;
        let mut reach = 0;
        let mut cand = 0;
        for _ in 0..5 {
            let t = std::time::Instant::now();
            for p in payloads {
                let probe = Probe { payload: p, wire_len: p.len() as u32, from, carrier, source_port: 0, destination_port: 0, destination: None, earlier: &[], midstream: false };
                std::hint::black_box(scanner.scan(&set, std::hint::black_box(&probe)));
            }
            best = best.min(t.elapsed().as_nanos() as f64 / payloads.len() as f64);
        }
        for p in payloads {
            let lane = &set.lanes[lane::lane_of(carrier, from).unwrap()];
            let c = lane.candidates(p); cand += c.count_ones();
            let mut any = false;
            for b in 0..64 { if c >> b & 1 == 1 { any |= lane.members(b).iter().any(|i| set.signatures[*i as usize].payload.searched().is_some()); } }
            reach += any as u32;
        }
        println!("{name} {carrier:?} {from:?}: {best:.1} ns; candidates {:.2} hyperscan {:.3}", f64::from(cand) / payloads.len() as f64, f64::from(reach) / payloads.len() as f64);
    }}
}

#[test]
fn slow_patterns() {
    let set = SignatureSet::builtin().unwrap();
    let mut rows = vec![];
    for i in 0..set.len() as u16 {
        let Some(p) = set.signatures[i as usize].payload.searched() else { continue };
        let t = std::time::Instant::now();
        let db = Database::compile(&[(i, p)]).unwrap();
        let l = set.label(i).unwrap();
        rows.push((t.elapsed(), format!("{}/{}", l.id, l.name), format!("{db:?}"), set.signatures[i as usize].carriers.iter().filter(|c| **c).count() * set.signatures[i as usize].directions.iter().filter(|c| **c).count()));
    }
    rows.sort();
    rows.reverse();
    for r in rows.iter().take(25) { println!("{r:?}"); }
    println!("sum {:?}", rows.iter().map(|r| r.0 * r.3 as u32).sum::<std::time::Duration>());
    for i in 0..4 {
        let t = std::time::Instant::now();
        let dir = if i % 2 == 0 { crate::record::Direction::ToServer } else { crate::record::Direction::ToClient };
        let p: Vec<_> = (0u16..).zip(&set.signatures).filter(|(_, s)| s.carriers[i / 2] && s.goes(dir)).filter_map(|(n, s)| Some((n, s.payload.searched()?))).collect();
        let db = Database::compile(&p);
        println!("lane {i}: {} patterns {:?} {db:?}", p.len(), t.elapsed());
    }
}
