//! Credentials sent in clear: what kind they are and, masked, whose. The secret itself is read and never kept.

use memchr::memchr;

use super::field::without_parameters;

/// What stands for a secret in targets and for all but the first letter of a user name.
const MASK: &[u8] = b"***";

/// How credentials were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `Authorization: Basic` (RFC 7617): user and password.
    Basic,
    /// `Authorization: Digest` (RFC 7616): user, and a hash of the password.
    Digest,
    /// `Authorization: Bearer` (RFC 6750): a token.
    Bearer,
    /// `Authorization: NTLM` ([MS-NTHT]).
    Ntlm,
    /// `Authorization: Negotiate` (RFC 4559).
    Negotiate,
    /// Any other scheme.
    Other,
    /// User information in the target (RFC 3986, 3.2.1).
    UserInformation,
    /// A parameter of the target's query.
    Query,
    /// A field of a submitted form.
    Form,
}

impl Kind {
    /// Name as the event prints it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Digest => "digest",
            Self::Bearer => "bearer",
            Self::Ntlm => "ntlm",
            Self::Negotiate => "negotiate",
            Self::Other => "other",
            Self::UserInformation => "userinfo",
            Self::Query => "query",
            Self::Form => "form",
        }
    }
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    /// How they were sent; the first kind, where there are several.
    pub(super) kind: Kind,
    /// A password stood there in clear (or, in a query, a token).
    pub(super) has_password: bool,
}

/// Reads the value of an Authorization field and writes the user, masked, into `user`.
pub(super) fn authorization(value: &[u8], user: &mut Vec<u8>) -> Option<Credentials> {
    let end = value.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(value.len());
    let (scheme, rest) = value.split_at_checked(end)?;
    let rest = rest.trim_ascii();
    let is = |name: &[u8]| scheme.eq_ignore_ascii_case(name);
    if is(b"basic") {
        let has_password = basic(rest, user);
        return Some(Credentials { kind: Kind::Basic, has_password });
    }
    let kind = match () {
        () if is(b"digest") => {
            mask_name(digest_user(rest).unwrap_or_default(), user);
            Kind::Digest
        }
        () if is(b"bearer") => Kind::Bearer,
        () if is(b"ntlm") => Kind::Ntlm,
        () if is(b"negotiate") => Kind::Negotiate,
        () if scheme.is_empty() => return None,
        () => Kind::Other,
    };
    Some(Credentials { kind, has_password: false })
}

/// Decodes Base64 up to the colon that ends the user: what follows is not decoded. Says whether something does.
fn basic(encoded: &[u8], user: &mut Vec<u8>) -> bool {
    let (mut bits, mut held) = (0_u32, 0_u32);
    let mut first = true;
    for (at, symbol) in encoded.iter().enumerate() {
        let Some(value) = sextet(*symbol) else { break };
        bits = (bits << 6) | value;
        held += 6;
        if held < 8 {
            continue;
        }
        held -= 8;
        let byte = (bits >> held).to_be_bytes()[3];
        if byte == b':' {
            return encoded.get(at + 1).is_some_and(|next| sextet(*next).is_some());
        }
        if first {
            user.push(byte);
            user.extend_from_slice(MASK);
            first = false;
        }
    }
    false
}

fn sextet(symbol: u8) -> Option<u32> {
    let value = match symbol {
        b'A'..=b'Z' => symbol - b'A',
        b'a'..=b'z' => symbol - b'a' + 26,
        b'0'..=b'9' => symbol - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

/// The `username` of a Digest response. Quoted pairs are left as they are: one letter is all that is kept.
fn digest_user(parameters: &[u8]) -> Option<&[u8]> {
    for parameter in parameters.split(|byte| *byte == b',') {
        let parameter = parameter.trim_ascii();
        let at = parameter.iter().position(|byte| *byte == b'=')?;
        let (name, value) = parameter.split_at_checked(at)?;
        if name.trim_ascii().eq_ignore_ascii_case(b"username") {
            let value = value.get(1..)?.trim_ascii();
            return Some(value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value));
        }
    }
    None
}

fn mask_name(name: &[u8], into: &mut Vec<u8>) {
    if let Some(first) = name.first() {
        into.push(*first);
        into.extend_from_slice(MASK);
    }
}

/// Copies a target or a reference (RFC 3986), with the values of secret query parameters and a password in the user
/// information masked. Says what was masked.
pub(super) fn mask_target(target: &[u8], into: &mut Vec<u8>) -> Option<Credentials> {
    let query = memchr(b'?', target).unwrap_or(target.len());
    let (before, query) = target.split_at_checked(query).unwrap_or((target, &[]));
    let in_authority = mask_user_information(before, into);
    let in_query = mask_query(query, into);
    if in_authority {
        return Some(Credentials { kind: Kind::UserInformation, has_password: true });
    }
    in_query.then_some(Credentials { kind: Kind::Query, has_password: true })
}

fn mask_user_information(target: &[u8], into: &mut Vec<u8>) -> bool {
    let masked = || {
        memchr(b'@', target)?;
        let start = target.windows(3).position(|three| three == b"://")? + 3;
        let authority = target.get(start..)?;
        let authority = authority.split(|byte| matches!(byte, b'/' | b'#')).next()?;
        let at = authority.iter().rposition(|byte| *byte == b'@')?;
        let colon = authority.get(..at)?.iter().position(|byte| *byte == b':')?;
        Some((target.get(..=start + colon)?, target.get(start + at..)?))
    };
    let Some((before, after)) = masked() else {
        into.extend_from_slice(target);
        return false;
    };
    into.extend_from_slice(before);
    into.extend_from_slice(MASK);
    into.extend_from_slice(after);
    true
}

fn mask_query(query: &[u8], into: &mut Vec<u8>) -> bool {
    let mut found = false;
    if query.is_empty() {
        return found;
    }
    for piece in query.split_inclusive(|byte| matches!(byte, b'?' | b'&' | b';' | b'#')) {
        let (pair, end) = match piece {
            [pair @ .., last @ (b'?' | b'&' | b';' | b'#')] => (pair, Some(*last)),
            pair => (pair, None),
        };
        match pair.iter().position(|byte| *byte == b'=').and_then(|at| pair.split_at_checked(at)) {
            Some((name, value)) if value.len() > 1 && is_secret(name) => {
                into.extend_from_slice(name);
                into.push(b'=');
                into.extend_from_slice(MASK);
                found = true;
            }
            _ => into.extend_from_slice(pair),
        }
        into.extend(end);
    }
    found
}

/// Whether the start of a submitted form (`application/x-www-form-urlencoded`) has a field for a secret with a value.
pub(super) fn form(body: &[u8]) -> Option<Credentials> {
    let secret = |pair: &[u8]| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = pair.split_at_checked(at)?;
        (value.len() > 1 && is_secret(name)).then_some(())
    };
    let found = body.split(|byte| *byte == b'&').any(|pair| secret(pair).is_some());
    found.then_some(Credentials { kind: Kind::Form, has_password: true })
}

/// Whether `value` is the media type of a submitted form.
pub(super) fn is_form(content_type: &[u8]) -> bool {
    without_parameters(content_type).eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

/// Whether a parameter of this name holds what must not be kept: passwords, tokens, keys.
fn is_secret(name: &[u8]) -> bool {
    const WHOLE: [&[u8]; 8] =
        [b"pass", b"pw", b"auth", b"pin", b"otp", b"sig", b"credential", b"authorization"];
    const PART: [&[u8]; 9] = [
        b"passw",
        b"passphrase",
        b"passcode",
        b"pwd",
        b"token",
        b"secret",
        b"apikey",
        b"api_key",
        b"api-key",
    ];
    WHOLE.iter().any(|word| name.eq_ignore_ascii_case(word))
        || PART.iter().any(|part| name.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> (Option<Credentials>, String) {
        let mut user = Vec::new();
        let found = authorization(value.as_bytes(), &mut user);
        (found, String::from_utf8(user).unwrap())
    }

    fn masked(target: &str) -> (String, bool) {
        let mut out = Vec::new();
        let found = mask_target(target.as_bytes(), &mut out);
        (String::from_utf8(out).unwrap(), found.is_some())
    }

    #[test]
    fn basic_credentials_give_a_masked_user_and_no_password() {
        // RFC 7617, 2: "Aladdin" and "open sesame".
        let (found, user) = read("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(found, Some(Credentials { kind: Kind::Basic, has_password: true }));
        assert_eq!(user, "A***");
        let (found, user) = read("basic Ym9iOg==");
        assert_eq!((found.unwrap().has_password, user.as_str()), (false, "b***"));
        assert!(!read("Basic").0.unwrap().has_password);
    }

    #[test]
    fn digest_credentials_give_a_masked_user() {
        // RFC 7616, 3.9.1.
        let (found, user) =
            read("Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\"");
        assert_eq!(found, Some(Credentials { kind: Kind::Digest, has_password: false }));
        assert_eq!(user, "M***");
        assert_eq!(read("Bearer mF_9.B5f-4.1JqM").0.unwrap().kind, Kind::Bearer);
        assert_eq!(read("").0, None);
    }

    #[test]
    fn secrets_in_targets_are_masked_and_the_rest_stays() {
        assert_eq!(masked("/a?user=x&password=y&z=1"), ("/a?user=x&password=***&z=1".into(), true));
        assert_eq!(masked("/a?Access_Token=y;b#c"), ("/a?Access_Token=***;b#c".into(), true));
        assert_eq!(masked("http://u:p@host/x?y=1"), ("http://u:***@host/x?y=1".into(), true));
        for same in ["/a?b=c&d", "/pass=1", "http://host/a@b:c", "*", "host:443", "/a?token=", "/?", ""] {
            assert_eq!(masked(same), (same.into(), false), "{same}");
        }
    }

    #[test]
    fn forms_with_a_password_are_noticed() {
        assert!(form(b"user=a&passwd=b").is_some());
        assert!(form(b"user=a&passwd=").is_none());
        assert!(form(b"q=token").is_none());
        assert!(is_form(b"application/x-www-form-urlencoded; charset=utf-8"));
    }
}
