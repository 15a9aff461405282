use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command as Process, Stdio};
use std::time::Duration;

use api::control::{Command, Reply, Role, Tokens};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sample::still::Still;

use crate::rig::{FLOWS, Rig};

#[test]
fn the_counters_of_the_socket_and_of_a_scrape_agree_and_add_up() {
    let Some(rig) = Rig::start(&[]) else { return };
    for _ in 0..5 {
        let mut text = String::new();
        // A worker that got no processor for a fifth of a second has not told of its queues.
        rig.until("counted by all workers", |_| {
            let (head, body) = rig.http("GET", "/metrics", "", "");
            assert!(head.starts_with("HTTP/1.1 200") && head.contains("version=0.0.4"), "{head}");
            text = body;
            text.contains("wirewarden_queue_rx_packets_total{")
        });
        let sum = |name: &str| -> u64 {
            text.lines()
                .filter(|line| line.starts_with(name))
                .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
                .sum()
        };
        let received = sum("wirewarden_worker_received_packets_total");
        let dropped = sum("wirewarden_dropped_packets_total");
        let processed =
            sum("wirewarden_engine_packets_processed_total") + sum("wirewarden_engine_defrag_held{");
        assert!(received > 0);
        assert_eq!(received, processed + dropped, "{text}");
        assert_eq!(received, sum("wirewarden_queue_rx_packets_total"));
        std::thread::sleep(Duration::from_millis(150));
    }
    let (_, text) =
        rig.http("GET", "/metrics", "Accept: application/openmetrics-text; version=1.0.0\r\n", "");
    assert!(text.ends_with("# EOF\n") && text.contains("wirewarden_signatures_info{version="), "{text}");
    let (_, text) = rig.http("GET", "/metrics", "", "");
    assert!(text.contains("wirewarden_up 1") && text.contains("cause=\"ipv4_bad_length\""), "{text}");
    let Ok(mut promtool) = Process::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    else {
        eprintln!("SKIPPED: no promtool (Debian's prometheus)");
        return;
    };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_the_interface_offers_is_answered() {
    let Some(rig) = Rig::start(&[]) else { return };
    let get = |path: &str| {
        let (head, body) = rig.http("GET", path, "", "");
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head} {body}");
        body
    };
    assert_eq!(get("/healthz"), "ok\n");
    assert!(get("/readyz").contains("\"ready\":true"));
    assert!(get("/api/v1/status").contains("\"pid\""));
    assert!(get("/api/v1/openapi.json").contains("/api/v1/configuration/apply"));
    assert!(get("/api/v1/drops").contains("\"cause\":\"port.rx_missed\""));
    assert!(get("/api/v1/protocols").contains("open_flows"));
    assert!(get("/api/v1/configuration").contains("boot.ports"));
    assert!(get("/api/v1/configuration/history").contains("imported"));
    let flows = get("/api/v1/flows?filter=udp&limit=3&order=packets");
    assert!(flows.contains(&format!("\"open\":{FLOWS}")), "{flows}");
    let (head, body) = rig.http("GET", "/api/v1/flows?filter=udp%20and%20prot", "", "");
    assert!(head.contains("400") && body.contains("\"column\":9"), "{head} {body}");
    let (head, _) = rig.http("GET", "/nothing", "", "");
    assert!(head.contains("404"), "{head}");
    let (head, _) = rig.http("GET", "/healthz", "X-Request-Id: mine-7\r\n", "");
    assert!(head.to_ascii_lowercase().contains("x-request-id: mine-7"), "{head}");
    assert!(head.to_ascii_lowercase().contains("ratelimit-remaining:"), "{head}");
}

#[test]
fn without_a_token_one_may_look_and_with_one_what_its_role_says() {
    let Some(rig) = Rig::start(&[]) else { return };
    let token = |name: &str, role| match rig
        .ask(Command::Tokens(Tokens::Create { name: name.into(), role, expires_in_s: None }))
        .unwrap()
    {
        Reply::TokenCreated(created) => format!("Authorization: Bearer {}\r\n", created.token),
        other => panic!("{other:?}"),
    };
    let (viewer, operator) = (token("look", Role::Viewer), token("change", Role::Operator));
    let apply = |headers: &str| {
        rig.http("POST", "/api/v1/configuration/apply?confirm=60&comment=test", headers, &rig.timeout(9)).0
    };
    for headers in ["", &viewer] {
        assert!(apply(headers).contains("403"), "{headers}");
    }
    assert!(apply("Authorization: Bearer wwt_nonsense\r\n").contains("401"));
    assert!(apply(&operator).contains("200"));
    let (head, body) = rig.http("POST", "/api/v1/configuration/confirm", &operator, "");
    assert!(head.contains("200"), "{head} {body}");
    let (_, history) = rig.http("GET", "/api/v1/configuration/history", "", "");
    assert!(history.contains("\"who\":\"token change\""), "{history}");
    rig.ask(Command::Tokens(Tokens::Revoke { name: "change".into() })).unwrap();
    assert!(apply(&operator).contains("401"));
    // A page of another name in a browser of this machine.
    let mut stream = TcpStream::connect(("127.0.0.1", rig.port)).unwrap();
    stream
        .write_all(b"GET /api/v1/status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

/// A certificate for `localhost` and its key; none without openssl.
fn certificate_of(rig: &Rig) -> Option<(String, String)> {
    let (certificate, key) = (rig.path("box.pem"), rig.path("box.key"));
    let made = Process::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "1",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        eprintln!("SKIPPED: no openssl");
        return None;
    }
    Some((certificate.display().to_string(), key.display().to_string()))
}

#[test]
fn a_port_that_is_taken_is_told_with_what_to_do() {
    let Some(mut rig) = Rig::prepared(&[]) else { return };
    let other = std::net::TcpListener::bind((rig.host, 0)).unwrap();
    rig.port = other.local_addr().unwrap().port();
    let output = rig.command().output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains(&rig.port.to_string()) && told.contains("--no-http"), "{told}");

    // An address of documentation, which no interface has.
    rig.host = "192.0.2.1";
    let output = rig.command().output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("192.0.2.1"), "{told}");
}

#[test]
fn elsewhere_than_on_loopback_it_takes_tls_and_a_token() {
    let Some(mut rig) = Rig::prepared(&[]) else { return };
    rig.host = "0.0.0.0";
    let output = rig.command().output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("not on loopback"), "{told}");

    let Some((certificate, key)) = certificate_of(&rig) else { return };
    rig.add(&["--tls-certificate", &certificate, "--tls-key", &key]);
    rig.start_daemon();
    let made = Tokens::Create { name: "far".into(), role: Role::Viewer, expires_in_s: Some(3600) };
    let Reply::TokenCreated(created) = rig.ask(Command::Tokens(made)).unwrap() else { panic!("a token") };
    let curl = |path: &str, header: &str| {
        let url = format!("https://localhost:{}{path}", rig.port);
        let curl = Process::new("curl")
            .args([
                "-s",
                "--noproxy",
                "*",
                "--cacert",
                &certificate,
                "-H",
                header,
                "-w",
                "%{http_code}",
                &url,
            ])
            .output();
        curl.map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let Ok(healthy) = curl("/healthz", "X-A: b") else {
        eprintln!("SKIPPED: no curl");
        return;
    };
    assert_eq!(healthy, "ok\n200", "{}", rig.logs());
    assert!(curl("/api/v1/status", "X-A: b").unwrap().ends_with("401"), "on loopback, too");
    let bearer = format!("Authorization: Bearer {}", created.token);
    assert!(curl("/api/v1/status", &bearer).unwrap().ends_with("200"));
    // Plain HTTP is no TLS.
    let mut plain = TcpStream::connect(("127.0.0.1", rig.port)).unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[test]
fn events_come_as_they_are_made() {
    let Some(rig) = Rig::start(&[]) else { return };
    rig.apply(rig.text("[live.output]\nstats_interval = \"200ms\"\n"), None).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", rig.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(b"GET /api/v1/events?types=stats HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    assert!(lines.next().unwrap().contains("200"));
    assert!(lines.any(|line| line == "event: stats"));
    assert!(lines.next().unwrap().starts_with("data: {"));
    let (head, body) = rig.http("GET", "/api/v1/events?filter=prot", "", "");
    assert!(head.contains("400"), "{head} {body}");
}

#[test]
fn idle_clients_and_endless_heads_keep_nobody_out() {
    let Some(rig) = Rig::start(&[]) else { return };
    let own = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: own.maximum, ..own }).unwrap();
    let mut idle = Vec::new();
    for _ in 0..10_000 {
        match TcpStream::connect(("127.0.0.1", rig.port)) {
            Ok(stream) => idle.push(stream),
            Err(error) => {
                eprintln!("SKIPPED in part: {} idle clients, and then {error}", idle.len());
                break;
            }
        }
    }
    // Who asks now is behind all of those that are not accepted yet.
    rig.http("GET", "/healthz", "", "");
    let asked = Still::watch();
    let (head, _) = rig.http("GET", "/healthz", "", "");
    let took = asked.elapsed();
    assert!(head.contains("200") && took < Duration::from_secs(2), "{took:?}");
    drop(idle);
    let mut endless = TcpStream::connect(("127.0.0.1", rig.port)).unwrap();
    endless.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    endless.write_all(b"GET /").unwrap();
    let chunk = vec![b'x'; 1 << 20];
    let mut written: usize = 0;
    while written < 1 << 30 && endless.write_all(&chunk).is_ok() {
        written += chunk.len();
    }
    assert!(written < 1 << 25, "ended at the limit, not after {written} bytes");
    let (head, _) = rig.http("GET", "/healthz", "", "");
    assert!(head.contains("200"), "{head}");
    let body = "x".repeat(2 << 20);
    let mut large = TcpStream::connect(("127.0.0.1", rig.port)).unwrap();
    let head = format!(
        "POST /api/v1/configuration/check HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    large.write_all(head.as_bytes()).unwrap();
    let _ = large.write_all(body.as_bytes());
    let mut answer = [0; 12];
    large.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[test]
fn who_asks_too_often_is_told_when_to_come_again() {
    let Some(rig) = Rig::start(&["--rate-limit", "5"]) else { return };
    let mut heads = (0..1000).map(|_| rig.http("GET", "/healthz", "", "").0);
    let first = heads.next().unwrap();
    assert!(first.starts_with("HTTP/1.1 200"), "{first}");
    let refused = heads.find(|head| head.starts_with("HTTP/1.1 429")).expect("one too many");
    assert!(refused.to_ascii_lowercase().contains("retry-after: 1"), "{refused}");
}
