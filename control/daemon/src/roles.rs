//! Who may do what over the Unix socket: by the user at the other end, whom the kernel vouches for.

use std::fs;
use std::str::FromStr;

use api::control::Role;

/// Somebody who may use the socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// A user by number.
    Uid(u32),
    /// A user by name.
    User(String),
    /// Everybody in a group: `@name`.
    Group(String),
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_name = |name: &str| {
            !name.is_empty()
                && name.len() <= 64
                && !name.contains([':', ',', '@'])
                && !name.contains(char::is_whitespace)
        };
        match (text.strip_prefix('@'), text.parse()) {
            (Some(group), _) if is_name(group) => Ok(Self::Group(group.to_owned())),
            (None, Ok(uid)) => Ok(Self::Uid(uid)),
            (None, Err(_)) if is_name(text) => Ok(Self::User(text.to_owned())),
            _ => Err(format!("`{text}` is no user, number or @group")),
        }
    }
}

/// Who has which role.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roles {
    pub(crate) administrators: Vec<Who>,
    pub(crate) operators: Vec<Who>,
    pub(crate) viewers: Vec<Who>,
}

/// Whom the kernel says is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Users and groups of this machine: `/etc/passwd` and `/etc/group` (users of a directory are named by number).
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts {
    passwd: String,
    group: String,
}

impl Accounts {
    pub(crate) fn of_this_machine() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self { passwd: read("/etc/passwd"), group: read("/etc/group") }
    }

    /// Name of a user.
    pub(crate) fn name(&self, uid: u32) -> Option<&str> {
        self.passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
        })
    }

    fn is_in(&self, peer: Peer, group: &str) -> bool {
        self.group.lines().any(|line| {
            let mut fields = line.split(':');
            let (Some(name), Some(gid), members) = (fields.next(), fields.nth(1), fields.next()) else {
                return false;
            };
            let is_member = || {
                let own = self.name(peer.uid);
                own.is_some_and(|own| members.unwrap_or("").split(',').any(|member| member == own))
            };
            name == group && (gid.parse() == Ok(peer.gid) || is_member())
        })
    }
}

impl Roles {
    /// The role of a user: root and `own`, the user of this program, are administrators; strangers have none.
    pub(crate) fn of(&self, peer: Peer, own: u32, accounts: &Accounts) -> Option<Role> {
        if peer.uid == 0 || peer.uid == own {
            return Some(Role::Administrator);
        }
        let is_among = |all: &[Who]| {
            all.iter().any(|who| match who {
                Who::Uid(uid) => *uid == peer.uid,
                Who::User(name) => accounts.name(peer.uid) == Some(name),
                Who::Group(group) => accounts.is_in(peer, group),
            })
        };
        let roles = [
            (Role::Administrator, &self.administrators),
            (Role::Operator, &self.operators),
            (Role::Viewer, &self.viewers),
        ];
        roles.into_iter().find(|(_, all)| is_among(all)).map(|(role, _)| role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts {
            passwd: "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/:\nbob:x:1001:1001::/:\nbroken\n"
                .to_owned(),
            group: "root:x:0:\nnetops:x:50:ann,carl\nbob:x:1001:\nbroken\n".to_owned(),
        }
    }

    #[test]
    fn roles_go_by_number_name_and_group_and_the_highest_counts() {
        let all = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let roles = Roles {
            administrators: all(&["1005"]),
            operators: all(&["@netops"]),
            viewers: all(&["ann", "bob", "@staff"]),
        };
        let role = |uid, gid| roles.of(Peer { uid, gid }, 999, &accounts());
        assert_eq!(role(0, 0), Some(Role::Administrator));
        assert_eq!(role(999, 999), Some(Role::Administrator));
        assert_eq!(role(1005, 9), Some(Role::Administrator));
        assert_eq!(role(1000, 1000), Some(Role::Operator), "by its group");
        assert_eq!(role(1001, 50), Some(Role::Operator), "by the group it runs as");
        assert_eq!(role(1001, 1001), Some(Role::Viewer));
        assert_eq!(role(65_534, 65_534), None);
    }

    #[test]
    fn what_is_nobody_is_refused() {
        for text in ["", "@", "a b", "a:b", "@a,b"] {
            assert!(text.parse::<Who>().is_err(), "{text}");
        }
    }
}
