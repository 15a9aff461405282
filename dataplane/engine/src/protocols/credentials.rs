//! Who logs on and how, as events say it: the name and the mechanism, and whether a password could be read; never
//! the secret.

use super::kept::Kept;
use crate::record::EventWriter;

/// What was seen of somebody's logging on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Credentials {
    user: Kept<128>,
    mechanism: Kept<48>,
    /// A password or a token went by in clear.
    in_clear: bool,
}

impl Credentials {
    /// Somebody's name.
    pub(super) fn user(&mut self, user: &[u8]) -> &mut Self {
        self.user.set(user);
        self
    }

    /// How they prove to be who they say.
    pub(super) fn mechanism(&mut self, mechanism: &[u8]) -> &mut Self {
        self.mechanism.set(mechanism);
        self
    }

    /// A password that anybody on the way can read.
    pub(super) const fn password_in_clear(&mut self) -> &mut Self {
        self.in_clear = true;
        self
    }

    /// The mechanism so far.
    pub(super) fn current_mechanism(&self) -> &[u8] {
        self.mechanism.as_bytes()
    }

    /// What a response of the mechanism says (RFC 4422).
    pub(super) fn sasl_response(&mut self, response: &[u8]) {
        let mechanism = self.mechanism.as_bytes();
        if mechanism.eq_ignore_ascii_case(b"PLAIN") {
            self.plain(response);
        } else if mechanism.starts_with(b"SCRAM-") {
            self.scram(response);
        } else if mechanism.eq_ignore_ascii_case(b"LOGIN")
            || mechanism.eq_ignore_ascii_case(b"OAUTHBEARER")
            || mechanism.eq_ignore_ascii_case(b"XOAUTH2")
        {
            self.in_clear |= !response.is_empty();
        } else if mechanism.eq_ignore_ascii_case(b"ANONYMOUS") {
            self.user.set(response);
        }
    }

    /// Authorisation identity, name and password, with zeros between (RFC 4616, 2).
    pub(super) fn plain(&mut self, response: &[u8]) {
        let mut parts = response.splitn(3, |byte| *byte == 0);
        let (identity, name, password) = (parts.next(), parts.next(), parts.next());
        if let Some(name) = name.filter(|name| !name.is_empty()).or(identity) {
            self.user.set(name);
        }
        self.in_clear |= password.is_some_and(|password| !password.is_empty());
    }

    /// The first message of a client: `n,,n=user,r=nonce` (RFC 5802, 7).
    fn scram(&mut self, response: &[u8]) {
        let mut attributes = response.split(|byte| *byte == b',').skip(2).take(3);
        if let Some(name) = attributes.find_map(|attribute| attribute.strip_prefix(b"n=")) {
            self.user.set(name);
        }
    }

    /// Whether anything was seen.
    pub(super) fn is_empty(&self) -> bool {
        self.user.is_empty() && self.mechanism.is_empty() && !self.in_clear
    }

    /// Writes the object `credentials`, where there is something to say.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        if self.is_empty() {
            return;
        }
        event.object("credentials");
        self.mechanism.write("mechanism", event);
        self.user.write("user", event);
        event.flag("password_in_clear", self.in_clear).close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(mechanism: &[u8], response: &[u8]) -> (Vec<u8>, bool) {
        let mut credentials = Credentials::default();
        credentials.mechanism(mechanism).sasl_response(response);
        (credentials.user.as_bytes().to_vec(), credentials.in_clear)
    }

    #[test]
    fn plain_gives_the_name_and_that_there_was_a_password() {
        // RFC 4616, 4.
        assert_eq!(of(b"PLAIN", b"\0tim\0tanstaaftanstaaf"), (b"tim".to_vec(), true));
        assert_eq!(of(b"PLAIN", b"Ursel\0Kurt\0xipj3plmq"), (b"Kurt".to_vec(), true));
        assert_eq!(of(b"PLAIN", b"\0tim\0"), (b"tim".to_vec(), false));
    }

    #[test]
    fn scram_gives_the_name_and_no_password() {
        // RFC 7677, 3.
        let first = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
        assert_eq!(of(b"SCRAM-SHA-256", first), (b"user".to_vec(), false));
        assert_eq!(of(b"SCRAM-SHA-256", b"c=biws,r=x,p=y"), (vec![], false));
    }

    #[test]
    fn nothing_of_the_secret_is_kept() {
        let mut credentials = Credentials::default();
        credentials.mechanism(b"PLAIN").sasl_response(b"\0tim\0tanstaaftanstaaf");
        assert!(!format!("{credentials:?}").contains(&format!("{}, {}", b't', b'a')));
    }
}
