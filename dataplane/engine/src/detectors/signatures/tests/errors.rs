use super::*;

const HEAD: &str = "id = \"probe\"\ntitle = \"Probe\"\nfamily = \"network\"\nexposure = \"cleartext\"\nsource = \"here\"\n\
                    carriers = [\"tcp\"]\n";

/// Lines and texts of what is wrong with a file.
fn errors_of_text(text: &str) -> Vec<(u32, String)> {
    let file = SignatureFile {
        path: "network/probe.toml".to_owned(),
        text: text.to_owned().into(),
        overrides: false,
    };
    match SignatureSet::from_files(&[file]) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.0.into_iter().map(|error| (error.line, error.problem.to_string())).collect(),
    }
}

/// What is wrong with a signature whose keys start on line 8.
fn errors_of(signature: &str) -> Vec<(u32, String)> {
    errors_of_text(&format!("{HEAD}[[signature]]\n{signature}\n"))
}

#[track_caller]
fn assert_one(errors: &[(u32, String)], line: u32, part: &str) {
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].0, line, "{errors:?}");
    assert!(errors[0].1.contains(part), "{errors:?}");
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_line() {
    let errors = errors_of_text("id = \"probe\"\ntitle = \n");
    assert_eq!(errors[0].0, 2, "{errors:?}");
    assert!(errors[0].1.contains("not TOML"), "{errors:?}");
}

#[test]
fn unknown_keys_are_refused_at_every_level() {
    assert_one(&errors_of("hex = '112233'\nconfidence = 90\npaket = 1"), 10, "unknown key `paket`");
    assert_one(
        &errors_of("hex = '112233'\nconfidence = 90\n[signature.earlier]\nhex = '11'\npacket = 1"),
        12,
        "`packet`",
    );
    assert_one(
        &errors_of_text(&format!("colour = 1\n{HEAD}[[signature]]\nhex = '112233'\nconfidence = 90\n")),
        1,
        "`colour`",
    );
    let sample = "hex = '112233'\nconfidence = 90\n[[sample]]\nhex = '11'\nmatch = true\ndirection = 'to_server'\nx = 1";
    assert_one(&errors_of(sample), 14, "`x`");
}

#[test]
fn missing_keys_are_named_with_what_to_write() {
    assert_one(&errors_of("hex = '112233'"), 7, "`confidence` is missing: write how sure");
    assert_one(&errors_of("confidence = 90"), 7, "nothing to match");
    assert_one(&errors_of_text(HEAD), 1, "no [[signature]]");
    assert_one(&errors_of_text(&HEAD.replace("id = \"probe\"\n", "")), 1, "`id` is missing");
    let no_carriers = HEAD.replace("carriers = [\"tcp\"]\n", "");
    let errors = errors_of_text(&format!("{no_carriers}[[signature]]\nhex = '112233'\nconfidence = 90\n"));
    assert_one(&errors, 1, "`carriers` is missing");
}

#[test]
fn a_protocol_that_is_new_must_be_described() {
    let bare = "id = \"probe\"\ncarriers = [\"tcp\"]\n[[signature]]\nhex = '112233'\nconfidence = 90\n";
    let errors = errors_of_text(bare);
    assert_eq!(errors.len(), 4, "title, family, exposure, source: {errors:?}");
    assert!(errors.iter().all(|(line, text)| *line == 1 && text.contains("is missing")));
}

#[test]
fn wrong_types_and_ranges_are_refused() {
    assert_one(&errors_of("hex = 112233\nconfidence = 90"), 8, "`hex` is a TOML integer, and must be a text");
    assert_one(&errors_of("hex = '112233'\nconfidence = 101"), 9, "`confidence` = 101 must be from 1 to 100");
    assert_one(&errors_of("hex = '112233'\nconfidence = -1"), 9, "`confidence` = -1");
    assert_one(
        &errors_of("hex = '112233'\nconfidence = 90\npacket = 4"),
        10,
        "`packet` = 4 must be from 1 to 3",
    );
    assert_one(&errors_of("checks = 'len == 4'\nconfidence = 90"), 8, "a list of texts");
    assert_one(
        &errors_of("hex = '112233'\nconfidence = 90\nmin_len = 9\nmax_len = 8"),
        10,
        "more than `max_len`",
    );
    assert_one(&errors_of("hex = '112233'\nconfidence = 90\nchecks = []"), 10, "`checks` is empty");
}

#[test]
fn names_are_looked_up() {
    assert_one(
        &errors_of("hex = '112233'\nconfidence = 90\ndirection = 'up'"),
        10,
        "there are `to_server`, `to_client`, `any`",
    );
    assert_one(&errors_of("hex = '112233'\nconfidence = 90\ncarriers = ['udp']"), 10, "does not ride on udp");
    assert_one(
        &errors_of("hex = '112233'\nconfidence = 90\nname = 'Two words'"),
        10,
        "must be 1 to 32 characters",
    );
}

#[test]
fn a_file_stands_where_its_id_and_family_say() {
    let moved = HEAD.replace("\"probe\"", "\"sonde\"").replace("\"network\"", "\"mail\"");
    let errors = errors_of_text(&format!("{moved}[[signature]]\nhex = '112233'\nconfidence = 90\n"));
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].1.contains("must be the file's name"), "{errors:?}");
    assert!(errors[1].1.contains("must be the folder's name"), "{errors:?}");
}

#[test]
fn bytes_that_are_not_hexadecimal_are_refused() {
    assert_one(&errors_of("hex = '11 2'\nconfidence = 90"), 8, "number of digits is odd");
    assert_one(&errors_of("hex = '11 2g'\nconfidence = 90"), 8, "`g` is no hexadecimal digit");
    let sample =
        "hex = '112233'\nconfidence = 90\n[[sample]]\nhex = '1?'\nmatch = true\ndirection = 'to_server'";
    assert_one(&errors_of(sample), 11, "no wildcards");
}

#[test]
fn patterns_are_linted() {
    let pattern = |text: &str| errors_of(&format!("pattern = '{text}'\nconfidence = 90"));
    assert_one(&pattern("^(abc"), 8, "character 2: unclosed group");
    assert_one(&pattern("^a*"), 8, "matches an empty payload");
    assert_one(&pattern(".*needle"), 8, "starts with an unbounded repetition");
    assert_one(&pattern("[a-z]{9}[0-9]{9}"), 8, "needs 4 fixed bytes in a row, the longest run here has 0");
    assert_one(&pattern("abc[0-9]{9}"), 8, "has 3");
    assert_one(&pattern(r"\x00\x00\x00\x00\x00"), 8, "is on every second wire");
    assert_one(&pattern("(?i:HTTP)[0-9]{9}"), 8, "is on every second wire");
    assert_one(&pattern("^needle$"), 8, "are not supported");
    assert_one(&pattern("(?:x|^)needle"), 8, "are not supported");
    assert_one(&pattern("^[a-z]{3000}"), 8, "more than 2048 positions");
    assert_one(&pattern("^(?:[a-z]{60}x){60}"), 8, "more than 2048 positions");
    assert_one(
        &errors_of("pattern = '^needle'\ndepth = 5\nconfidence = 90"),
        8,
        "does not fit between 0 and 5",
    );
}

#[test]
fn weak_signatures_are_refused() {
    assert_one(&errors_of("hex = '11'\nconfidence = 90"), 7, "about 8 bits of evidence is not enough");
    assert_one(&errors_of("pattern = '^[a-z]{2}'\nconfidence = 90"), 7, "bits of evidence");
    assert_one(&errors_of("checks = ['u8(0) <= 200']\nconfidence = 90"), 7, "bits of evidence");
}

#[test]
fn checks_are_refused_with_their_column() {
    let check = |text: &str| errors_of(&format!("hex = '112233'\nconfidence = 90\nchecks = ['{text}']"));
    assert_one(&check("u8(0) = 1"), 10, "column 7: `=` means nothing here");
    assert_one(&check("u9(0) == 1"), 10, "column 1: `u9` is not known; there are len, u8");
    assert_one(&check("u8(0, 1) == 1"), 10, "takes 1 arguments, not 2");
    assert_one(&check("len"), 10, "this is a number, and must be a condition");
    assert_one(&check("1 == 1"), 10, "always true or always false");
    let both = errors_of("hex = '112233'\nconfidence = 90\nchecks = [\n  'u8(0) ==',\n  'len % == 3',\n]");
    assert_eq!(both.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [11, 12], "{both:?}");
}

#[test]
fn keys_that_need_or_exclude_another_are_checked() {
    assert_one(&errors_of("hex = '112233'\nconfidence = 90\ndepth = 5"), 10, "`depth` needs `pattern`");
    assert_one(&errors_of("checks = ['u16be(0) == 7']\nconfidence = 90\noffset = 5"), 10, "`offset` needs");
    let sample = "hex = '112233'\nconfidence = 90\n[[sample]]\nhex = '11'\ntext = 'a'\nmatch = true\ndirection = 'to_server'";
    assert_one(&errors_of(sample), 11, "exclude each other");
}

#[test]
fn samples_must_be_complete() {
    let sample = |keys: &str| errors_of(&format!("hex = '112233'\nconfidence = 90\n[[sample]]\n{keys}"));
    assert_one(&sample("match = true\ndirection = 'to_server'"), 10, "write the payload");
    assert_one(&sample("hex = '11'\ndirection = 'to_server'"), 10, "write true where this is the protocol");
    assert_one(&sample("hex = '11'\nmatch = true"), 10, "write \"to_server\" or \"to_client\"");
    assert_one(
        &sample("hex = '11'\nmatch = true\ndirection = 'any'"),
        10,
        "write \"to_server\" or \"to_client\"",
    );
}

#[test]
fn two_files_with_one_id_and_two_descriptions_of_one_protocol_are_refused() {
    let first = file("hex = '112233'");
    let same = SignatureFile { path: "more/network/probe.toml".to_owned(), ..first.clone() };
    let errors = SignatureSet::from_files(&[first.clone(), same]).unwrap_err();
    assert!(errors.to_string().contains("is taken by network/probe.toml"), "{errors}");

    let text = first
        .text
        .replace("id = \"probe\"", "id = \"sonde\"\nprotocol = \"probe\"")
        .replace("Probe", "Sonde");
    let second = SignatureFile { path: "network/sonde.toml".to_owned(), text: text.into(), overrides: false };
    let errors = SignatureSet::from_files(&[first, second]).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "network/sonde.toml:2: `probe` has another title, family, exposure or source in network/probe.toml: \
         describe it the same, or in one file only"
    );
}

#[test]
fn everything_is_reported_at_once() {
    let errors =
        errors_of("hex = '1'\npattern = '(('\nconfidence = 0\ndirection = 'up'\nchecks = ['len', 'u8(']");
    let mut lines: Vec<u32> = errors.iter().map(|(line, _)| *line).collect();
    lines.dedup();
    assert_eq!(lines, [8, 9, 10, 11, 12], "{errors:?}");
    assert_eq!(errors.len(), 6, "{errors:?}");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let errors = SignatureSet::load(Path::new("there/is/no/such/folder")).unwrap_err();
    assert_eq!(errors.to_string(), "there/is/no/such/folder:1: cannot be read: entity not found");
}
