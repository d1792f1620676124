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

/// Until when the master's certificate holds.
pub fn certificate_until(home: &Home) -> Result<OffsetDateTime, RenewError> {
    Ok(Identity::load(&Paths::master(home.root()))?.peer().not_after)
}

/// How it stands at `now` with one that holds until then, and what to tell an operator.
pub fn standing(until: OffsetDateTime, now: OffsetDateTime) -> (Standing, Option<String>) {
    let left = until - now;
    let (standing, said) = if left > ANNOUNCED {
        return (Standing::Good, None);
    } else if left > URGENT {
        (Standing::Due, format!("ends in {} days, at {}", left.whole_days(), when(until)))
    } else if left > Duration::ZERO {
        (Standing::Urgent, format!("ends in {} days, at {}", left.whole_days(), when(until)))
    } else {
        (Standing::Urgent, format!("ended at {}: hosts refuse it", when(until)))
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
        let until = at(90 * 86_400);
        let at_day = |day: i64| standing(until, at(day * 86_400));
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
    }

    #[test]
    fn a_renewed_master_is_the_same_one_to_its_hosts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("home");
        let home = Home::locate(Some(&path), &HomeEnvironment::default()).unwrap();
        let fleet: Fleet = "north".parse().unwrap();
        initialise(&home, &fleet, "ada", at(0)).unwrap();
        let before = certificate_until(&home).unwrap();
        let store = Store::open(&home.store()).unwrap();
        let late = at(100 * 86_400);
        let renewed = renew_master(&home, &store, "ada", late).unwrap();
        let identity = Identity::load(&Paths::master(home.root())).unwrap();
        assert_eq!(identity.role(), &Role::Master);
        assert_eq!(identity.peer().fleet, fleet);
        assert_eq!(identity.peer().fingerprint, renewed.fingerprint);
        assert!(before < late && late < renewed.not_after);
        assert_eq!(certificate_until(&home).unwrap(), renewed.not_after);
        assert_eq!(standing(renewed.not_after, late).0, Standing::Good);
    }
}
