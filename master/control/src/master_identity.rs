//! The master's own certificate: until when it holds, and a new one.

use explain::{Exit, Explain, when};
use pki::{
    Authority, AuthorityError, FileError, Identity, IdentityError, Paths, Request, Role,
    replace_bundle,
};
use serde::Serialize;
use serde_json::json;
use store::{Event, EventType, Store, StoreError};
use time::{Duration, OffsetDateTime};

use crate::home::Home;

/// From when on its end is announced.
const ANNOUNCED: Duration = Duration::days(21);
/// From when on it is something that is wrong.
const URGENT: Duration = Duration::days(7);

/// How long the master's certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Good,
    /// It is to be renewed.
    Due,
    /// It ends so soon, or has ended, that something is wrong.
    Urgent,
}

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    #[error("use the CA")]
    Authority(#[from] AuthorityError),
    #[error("write the master's keys")]
    File(#[from] FileError),
    #[error("read the master's certificate")]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Explain for RenewError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        Exit::Failed
    }
}

/// A certificate that the master has now.
#[derive(Debug, Serialize)]
pub struct RenewedMaster {
    pub fingerprint: pki::Fingerprint,
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
}

/// From when, and until when, the master's certificate holds.
#[derive(Debug, Clone, Copy)]
pub struct Validity {
    pub from: OffsetDateTime,
    pub until: OffsetDateTime,
}

/// From when, and until when, the master's certificate holds.
pub fn certificate_validity(home: &Home) -> Result<Validity, RenewError> {
    let identity = Identity::load(&Paths::master(home.root()))?;
    Ok(Validity { from: identity.peer().not_before, until: identity.peer().not_after })
}

/// How it stands with the master's certificate at `now`, and what to tell an operator.
pub fn standing(validity: Validity, now: OffsetDateTime) -> (Standing, Option<String>) {
    let Validity { from, until } = validity;
    if now < from {
        let said = format!(
            "this machine's clock says {}, before this master's certificate begins ({}): set the clock; or, if \
             it is right, run: swarm renew --master",
            when(now),
            when(from)
        );
        return (Standing::Urgent, Some(said));
    }
    let left = until - now;
    let (standing, said) = if left > ANNOUNCED {
        return (Standing::Good, None);
    } else if left > URGENT {
        (Standing::Due, format!("ends in {} days, at {}", left.whole_days(), when(until)))
    } else if left > Duration::ZERO {
        (Standing::Urgent, format!("ends in {} days, at {}", left.whole_days(), when(until)))
    } else {
        let said = format!(
            "this master's certificate ended at {}, and this machine's clock says {}: if that is right, hosts \
             refuse it; run: swarm renew --master. If it is wrong, set the clock",
            when(until),
            when(now)
        );
        return (Standing::Urgent, Some(said));
    };
    (standing, Some(format!("this master's certificate {said}; run: swarm renew --master")))
}

/// Gives the master a new key and certificate, in the place of those that it has. Hosts know it by its
/// role and by the fleet's CA, so that nothing changes on them.
pub fn renew_master(
    home: &Home,
    store: &Store,
    who: &str,
    now: OffsetDateTime,
) -> Result<RenewedMaster, RenewError> {
    let authority = Authority::load(home.root())?;
    let issued = authority.issue(&Request::new(Role::Master), now)?;
    if home.identity().exists() {
        replace_bundle(&issued.bundle(&authority, home.identity()))?;
    } else {
        pki::write_bundles(&[issued.bundle(&authority, home.identity())])?;
    }
    let renewed = RenewedMaster { fingerprint: issued.fingerprint, not_after: issued.not_after };
    store.record_event(&Event {
        data: json!(renewed),
        ..Event::new(EventType::MasterRenewed, now, who)
    })?;
    Ok(renewed)
}

#[cfg(test)]
mod tests {
    use pki::Fleet;
    use testing::at;

    use super::*;
    use crate::home::HomeEnvironment;
    use crate::init::initialise;

    #[test]
    fn the_end_is_announced_for_three_weeks_and_is_urgent_in_the_last() {
        let validity = Validity { from: at(0), until: at(90 * 86_400) };
        let at_day = |day: i64| standing(validity, at(day * 86_400));
        assert_eq!(at_day(60), (Standing::Good, None));
        for (day, expected) in [
            (69, Standing::Due),
            (82, Standing::Due),
            (83, Standing::Urgent),
            (91, Standing::Urgent),
        ] {
            let (standing, said) = at_day(day);
            assert_eq!(standing, expected, "{day}");
            assert!(said.unwrap().contains("swarm renew --master"), "{day}");
        }
        assert!(at_day(91).1.unwrap().contains("hosts refuse it"));
        let (early, said) = at_day(-1);
        assert_eq!(early, Standing::Urgent);
        assert!(said.unwrap().contains("this machine's clock"));
    }

    #[test]
    fn a_renewed_master_is_the_same_one_to_its_hosts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("home");
        let home = Home::locate(Some(&path), &HomeEnvironment::default()).unwrap();
        let fleet: Fleet = "north".parse().unwrap();
        initialise(&home, &fleet, "ada", at(0)).unwrap();
        let before = certificate_validity(&home).unwrap().until;
        let store = Store::open(&home.store()).unwrap();
        let late = at(100 * 86_400);
        let renewed = renew_master(&home, &store, "ada", late).unwrap();
        let identity = Identity::load(&Paths::master(home.root())).unwrap();
        assert_eq!(identity.role(), &Role::Master);
        assert_eq!(identity.peer().fleet, fleet);
        assert_eq!(identity.peer().fingerprint, renewed.fingerprint);
        assert!(before < late && late < renewed.not_after);
        assert_eq!(certificate_validity(&home).unwrap().until, renewed.not_after);
        assert_eq!(standing(certificate_validity(&home).unwrap(), late).0, Standing::Good);
    }
}
