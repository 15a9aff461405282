use std::borrow::Cow;

use wire::{FlowKey, KeyKind, Scope};

use super::*;
use crate::ServiceBasis;
use crate::record::{FlowIdentity, RecordBatch, TunnelIdentity};

fn file(path: &str, text: &str, overrides: bool) -> SignatureFile {
    SignatureFile { path: path.to_owned(), text: Cow::Owned(text.to_owned()), overrides }
}

fn set(text: &str) -> ServiceSet {
    ServiceSet::from_files(&[file("services/a.toml", text, false)]).unwrap()
}

fn name(set: &ServiceSet, found: Option<usize>) -> Option<&str> {
    Some(set.services().get(found?)?.name.as_str())
}

const TWO: &str = "category = \"test\"\n[[service]]\nname = \"One\"\ndomains = [\"one.example\"]\nalpn = [\"one/1\"]\n\
                   [[service]]\nname = \"Two\"\ndomains = [\"two.example\", \"deep.one.example\"]\n";

#[test]
fn hosts_and_alpn_ids_have_owners() {
    let set = set(TWO);
    assert_eq!(name(&set, set.of_host(b"www.one.example")), Some("One"));
    assert_eq!(name(&set, set.of_host(b"www.deep.one.example")), Some("Two"));
    assert_eq!(set.of_host(b"three.example"), None);
    assert_eq!(name(&set, set.of_alpn(b"one/1")), Some("One"));
    assert_eq!(set.of_alpn(b"one/2"), None);
}

#[test]
fn every_mistake_is_told_at_once_with_its_line() {
    let text = "category = \"x\"\nkey = 1\n[[service]]\nname = \"One\"\ndomains = [\"one.example\", \"com\"]\n\
                [[service]]\ndomains = [\"two.example\"]\n[[service]]\nname = \"One\"\ndomains = [\"one.example\"]\n\
                [[service]]\nname = \"Four\"\n";
    let errors = ServiceSet::from_files(&[file("services/a.toml", text, false)]).unwrap_err();
    let told: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
    let wanted = [
        "services/a.toml:2: unknown key `key`; known here are `category`, `service`",
        "services/a.toml:5: \"com\" is no domain of a service: everybody's names end so; write one label more",
        "services/a.toml:6: `name` is missing: write the name that `app_service` shows",
        "services/a.toml:9: the service \"One\" is One's already: keep it in one place",
        "services/a.toml:10: the domain \"one.example\" is One's already: keep it in one place",
        "services/a.toml:11: `domains` is missing: write what its host names end with, or `alpn` or `signatures`",
    ];
    assert_eq!(told, wanted);
}

#[test]
fn signature_files_have_owners() {
    let claims = "category = \"test\"\n[[service]]\nname = \"One\"\nsignatures = [\"a\", \"b\"]\n\
                  [[service]]\nname = \"Two\"\nsignatures = [\"b\"]\n";
    let errors = ServiceSet::from_files(&[file("services/a.toml", claims, false)]).unwrap_err();
    let told: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["services/a.toml:7: the signature \"b\" is One's already: keep it in one place"]);

    let set = set(&claims.replace("\"a\", \"b\"", "\"a\""));
    assert_eq!(name(&set, set.of_signature("a")), Some("One"));
    assert_eq!(name(&set, set.of_signature("b")), Some("Two"));
    assert_eq!(set.of_signature("c"), None);
    assert!(set.check_signatures(|id| ["a", "b"].contains(&id)).is_ok());
    let errors = set.check_signatures(|id| id == "a").unwrap_err();
    assert_eq!(
        errors.to_string(),
        "services/a.toml:7: there is no signature file with `id` = \"b\": \
         write the name of one, without folder and `.toml`"
    );
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    let errors = ServiceSet::from_files(&[file("services/a.toml", "category = \"x\"\n[[service\n", false)]);
    let errors = errors.unwrap_err();
    assert!(matches!(errors.0.as_slice(), [one] if one.line == 2), "{errors}");
}

#[test]
fn a_file_of_ones_own_takes_domains_over_and_adds_to_services() {
    let own =
        "category = \"own\"\n[[service]]\nname = \"two\"\ndomains = [\"one.example\", \"new.example\"]\n";
    let files = [file("services/a.toml", TWO, false), file("services/own.toml", own, true)];
    let set = ServiceSet::from_files(&files).unwrap();
    assert_eq!(name(&set, set.of_host(b"www.one.example")), Some("Two"));
    assert_eq!(name(&set, set.of_host(b"new.example")), Some("Two"));
    assert_eq!(set.services().len(), 2);
}

fn told(write: impl FnOnce(&mut RecordBatch)) -> Option<(String, ServiceBasis)> {
    let set = set(TWO);
    let mut batch = RecordBatch::default();
    write(&mut batch);
    let (place, basis) = of_events(&set, &batch, 0)?;
    Some((set.services()[place].name.clone(), basis))
}

fn flow() -> FlowIdentity {
    let end = |last, port| (FlowKey::from_ipv4([192, 0, 2, last]), port);
    let (key, client) = FlowKey::new(KeyKind::Ipv4, 6, end(1, 40_000), end(2, 443), Scope::default());
    let tunnel = TunnelIdentity::default();
    FlowIdentity { id: 1, key, client, interface: 0, vlans: [0; 2], icmp: None, tunnel }
}

#[test]
fn a_server_name_counts_before_a_certificate() {
    let found = told(|batch| {
        let mut event = batch.event(0, flow(), "tls");
        event.text("subject", b"C=XX, CN=*.two.example").text("sni", b"www.one.example");
    });
    assert_eq!(found, Some(("One".to_owned(), ServiceBasis::ServerName)));
}

#[test]
fn names_of_a_certificate_count_where_they_agree() {
    let certificate = |names: &[&[u8]]| {
        told(|batch| {
            let mut event = batch.event(0, flow(), "tls");
            event.text("subject", b"CN=front.test, O=Somebody").list("subjectaltname");
            for name in names {
                event.text("", name);
            }
        })
    };
    let one = Some(("One".to_owned(), ServiceBasis::Certificate));
    assert_eq!(certificate(&[b"*.one.example", b"one.example", b"x.test"]), one);
    assert_eq!(certificate(&[b"*.one.example", b"two.example"]), None);
}

#[test]
fn the_clients_own_certificate_is_not_the_services() {
    let found = told(|batch| {
        let mut event = batch.event(0, flow(), "tls");
        event.object("client").text("subject", b"CN=one.example").close();
    });
    assert_eq!(found, None);
}

#[test]
fn questions_hosts_realms_and_alpn_ids_tell() {
    let query = told(|batch| {
        let mut event = batch.event(0, flow(), "dns");
        event.list("queries").object("").text("rrname", b"a.two.example").close().close();
    });
    assert_eq!(query, Some(("Two".to_owned(), ServiceBasis::Query)));
    let answer = told(|batch| {
        let mut event = batch.event(0, flow(), "dns");
        event.list("answers").object("").text("rrname", b"a.two.example").close().close();
    });
    assert_eq!(answer, None);
    let host = told(|batch| {
        batch.event(0, flow(), "http").text("hostname", b"two.example:8080");
    });
    assert_eq!(host, Some(("Two".to_owned(), ServiceBasis::Host)));
    let alpn = told(|batch| {
        batch.event(0, flow(), "tls").list("client_alpns").text("", b"h2").text("", b"one/1");
    });
    assert_eq!(alpn, Some(("One".to_owned(), ServiceBasis::Alpn)));
    let realm = told(|batch| {
        batch.event(0, flow(), "stun").text("realm", b"two.example");
    });
    assert_eq!(realm, Some(("Two".to_owned(), ServiceBasis::Realm)));
    let stream = told(|batch| {
        batch.event(0, flow(), "xmpp").text("to", b"im.two.example");
    });
    assert_eq!(stream, Some(("Two".to_owned(), ServiceBasis::Host)));
}

fn builtin() -> ServiceSet {
    let files = crate::detectors::signatures::builtin_files();
    ServiceSet::from_files(&files).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn the_files_of_the_program_know_who_is_who() {
    let set = builtin();
    for (host, service) in [
        ("web.whatsapp.com", "WhatsApp"),
        ("mmg.whatsapp.net", "WhatsApp Files"),
        ("web.telegram.org", "Telegram"),
        ("us04web.zoom.us", "Zoom"),
        ("teams.microsoft.com", "Teams"),
        ("api.asm.skype.com", "Skype"),
        ("edgeapi.slack.com", "Slack"),
        ("occ-0-1.1.nflxso.net", "Netflix"),
        ("rr5---sn-4g5e6nsz.googlevideo.com", "YouTube"),
        ("textsecure-service.whispersystems.org", "Signal"),
        ("gateway.discord.gg", "Discord"),
        ("d.dropbox.com", "Dropbox"),
        ("raw.githubusercontent.com", "GitHub"),
        ("www.google.co.uk", "Google"),
        ("maps.google.de", "Google Maps"),
        ("gateway.icloud.com", "Apple iCloud"),
        ("24-courier.push.apple.com", "Apple Push"),
        ("outlook.office365.com", "Outlook"),
        ("login.microsoftonline.com", "Microsoft 365"),
        ("s3.eu-central-1.amazonaws.com", "Amazon AWS"),
        ("myapp.azurewebsites.net", "Azure"),
        ("service-abc.a.run.app", "Google Cloud"),
        ("performance.radar.cloudflare.com", "Cloudflare"),
        ("e1234.dscb.akamaiedge.net", "Akamai"),
        ("global.fastly.net", "Fastly"),
        ("oss-cn-hangzhou.aliyuncs.com", "AliCloud"),
        ("graph.facebook.com", "Facebook"),
        ("igcdn-photos-a-a.akamaihd.net", "Instagram"),
        ("pbs.twimg.com", "Twitter/X"),
        ("static.licdn.com", "LinkedIn"),
        ("v16.tiktokcdn.com", "TikTok"),
        ("audio-fa.scdn.co", "Spotify"),
        ("api.steampowered.com", "Steam"),
        ("www.amazon.co.jp", "Amazon"),
        ("dns.google", "DoH"),
    ] {
        assert_eq!(name(&set, set.of_host(host.as_bytes())), Some(service), "{host}");
    }
    for nobody in ["www.example.com", "localhost", "notgoogle.com", "google.com.evil.example", "192.0.2.1"] {
        assert_eq!(name(&set, set.of_host(nobody.as_bytes())), None, "{nobody}");
    }
    assert_eq!(name(&set, set.of_alpn(b"apns-security-v3")), Some("Apple Push"));
    assert!(set.services().len() >= 300, "{}", set.services().len());
}

#[test]
fn every_service_of_the_program_has_a_category_and_something_to_know_it_by() {
    let set = builtin();
    for service in set.services() {
        assert!(!service.category.is_empty(), "{}", service.name);
        assert!(!(service.domains.is_empty() && service.alpn.is_empty()), "{}", service.name);
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "tests measure")]
fn compiling_the_services_and_looking_them_up_is_quick() {
    let files = crate::detectors::signatures::builtin_files();
    let least = |work: &mut dyn FnMut()| {
        let times = (0..5).map(|_| {
            let start = std::time::Instant::now();
            work();
            start.elapsed()
        });
        times.min().unwrap()
    };
    let compiling = least(&mut || drop(ServiceSet::from_files(&files).unwrap()));
    let set = builtin();
    let hosts: [&[u8]; 4] =
        [b"rr5---sn-4g5e6nsz.googlevideo.com", b"www.example.org", b"a.b.c.d.example.co.uk", b"dns.google"];
    let looking = least(&mut || {
        for _ in 0..2500 {
            for host in hosts {
                std::hint::black_box(set.of_host(std::hint::black_box(host)));
            }
        }
    });
    println!("{} services: {compiling:?} to compile, {:?} a name", set.services().len(), looking / 10_000);
    // Unoptimised and on a busy machine; a hundredth of that is usual.
    assert!(compiling.as_millis() < 500 && looking.as_millis() < 500, "{compiling:?} {looking:?}");
}
