//! From a request to a plan that is shown, kept or carried out: what `update` and `rollback` share.

use std::collections::HashMap;

use control::fleet::{Fleet, Member, MetCertificates, seen_epochs};
use control::interrupt::Interrupt;
use control::rollout::{
    Archives, ReleaseNames, RolloutError, RolloutRequest, Sources, Summary, UpdaterClients, build,
    inspect, rollout_status, seen_above,
};
use control::select::Selected;
use control::updater_client::ClientError;
use engine::{Action, Plan};
use explain::{Exit, Explain as _, Failure};
use protocol::{Digest, HostName, Period};
use store::{RolloutId, SkipReason};

use crate::cli::Context;
use crate::cli::plan_view::show_plan;
use crate::cli::table_args::TableArgs;
use crate::output::{Progress, Shown, show_summary};

/// What becomes of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It is carried out.
    Done,
    /// It is shown, and nothing stays.
    Shown,
    /// It is shown, and kept.
    Kept,
    /// One that was kept is carried out.
    AsPlanned(Digest),
    /// One that was kept is shown.
    ShownAgain(Digest),
}

/// The beginning of a rollout.
pub(super) struct Begin<'a> {
    pub(super) context: &'a Context,
    pub(super) how: How,
    /// How long is waited for hosts that another rollout has.
    pub(super) wait: Option<Period>,
    pub(super) interrupt: Interrupt,
    /// How a plan is shown.
    pub(super) table: TableArgs,
}

impl Begin<'_> {
    /// Asks the hosts and makes the plan. If it has to wait for its turn, it is made anew then.
    pub(super) async fn wished(
        &self,
        request: &RolloutRequest,
        members: Vec<Member>,
        archives: Archives,
        sources: &Sources,
    ) -> Result<Exit, Failure> {
        let rollouts = self.context.rollouts();
        let until = self.until();
        let id = loop {
            let inspected = inspect(&members, &request.app, request.goal.target()).await;
            let Context { store, who, now, .. } = self.context;
            MetCertificates::of(&members).keep(store, who, now())?;
            let epoch = store.epoch()?;
            let newer = seen_above(&inspected, epoch);
            let plan = build(request, inspected, (self.context.now)())?;
            rollouts.check(&plan)?;
            if self.how != How::Done {
                if let Some((host, seen)) = newer {
                    self.context.output.note(&format!(
                        "{host} has seen the epoch {seen}, and this master's is {epoch}: to carry this out \
                         raises it above that"
                    ));
                }
                return self.shown(&plan, sources);
            }
            if let Some((id, plan)) = rollouts.left_half_way(&plan)? {
                // What was begun goes on under its own epoch.
                if let Some((host, seen)) = newer {
                    return Err(RolloutError::Superseded { host, seen, epoch }.into());
                }
                return self.go_on(id, archives, &plan).await;
            }
            self.rise_above(newer)?;
            // What the plan saw of the hosts is of this moment.
            match rollouts.begin(&plan, sources, plan.made_at) {
                Ok(id) => {
                    self.tell_ways(&plan);
                    break id;
                }
                Err(error) => self.wait(error, until).await?,
            }
            if self.interrupt.is_asked() {
                return Ok(Exit::Interrupted);
            }
        };
        let client = |member: Member| (member.host, member.client);
        self.drive(id, archives, members.into_iter().map(client).collect()).await
    }

    /// Carries out a plan that was kept, or shows it.
    pub(super) async fn kept(&self, digest: &Digest) -> Result<Exit, Failure> {
        let rollouts = self.context.rollouts();
        let (plan, sources) = rollouts.kept(digest)?;
        if self.how != How::AsPlanned(*digest) {
            return self.shown(&plan, &sources);
        }
        rollouts.check(&plan)?;
        let archives = sources.find(&self.context.sources(&self.interrupt), &plan).await?;
        if let Some((id, plan)) = rollouts.left_half_way(&plan)? {
            return self.go_on(id, archives, &plan).await;
        }
        let Context { home, store, timeouts, .. } = self.context;
        let selected = store
            .hosts()?
            .into_iter()
            .filter(|host| plan.hosts.iter().any(|it| it.host == host.name));
        let selected: Vec<_> =
            selected.map(|host| Selected { skip: host.skip_reason(), host }).collect();
        let members = Fleet::open(home, store, *timeouts)?.members(&selected);
        let (epoch, seen) = (store.epoch()?, seen_epochs(members).await);
        self.rise_above(seen.highest.filter(|(_, highest)| *highest > epoch))?;
        let until = self.until();
        let id = loop {
            match rollouts.begin(&plan, &sources, (self.context.now)()) {
                Ok(id) => break id,
                Err(error) => self.wait(error, until).await?,
            }
            if self.interrupt.is_asked() {
                return Ok(Exit::Interrupted);
            }
        };
        self.drive(id, archives, clients(self.context, &plan)?).await
    }

    /// A new rollout is a new holder of the orders: its epoch is above all that its hosts have seen.
    fn rise_above(&self, newer: Option<(HostName, u64)>) -> Result<(), Failure> {
        let Some((host, seen)) = newer else { return Ok(()) };
        let (event, words) = self.context.rollouts().rise_above(host, seen)?;
        let output = &self.context.output;
        if output.json() {
            output.line(&event);
        } else {
            output.note(&words);
        }
        Ok(())
    }

    /// Says where a host goes, where that is not what would be expected.
    fn tell_ways(&self, plan: &Plan) {
        let goes = plan.hosts.iter().filter(|host| host.action == Action::Rollback);
        for (host, detail) in goes.filter_map(|host| Some((&host.host, host.detail.as_ref()?))) {
            self.context.output.note(&format!("{host}: {detail}"));
        }
    }

    fn until(&self) -> Option<time::OffsetDateTime> {
        self.wait.map(|wait| (self.context.now)() + wait.0)
    }

    fn shown(&self, plan: &Plan, sources: &Sources) -> Result<Exit, Failure> {
        if self.how == How::Kept {
            self.context.rollouts().keep(plan, sources)?;
        }
        show_plan(self.context, plan, self.how != How::Shown, &self.table)?;
        Ok(Exit::Success)
    }

    /// Waits for the hosts that another rollout has, if that was asked for and it is not too late.
    async fn wait(
        &self,
        error: RolloutError,
        until: Option<time::OffsetDateTime>,
    ) -> Result<(), RolloutError> {
        let (RolloutError::Locked(locked, holder), Some(until)) = (&error, until) else {
            return Err(error);
        };
        self.context.output.note(&format!("waiting for the rollout {}: {holder}", locked.rollout));
        if let Some(hint) = error.hint().filter(|_| holder.awaits_operator()) {
            self.context.output.note(&hint);
        }
        let rollouts = self.context.rollouts();
        let free = tokio::select! {
            free = rollouts.wait_for(locked, until) => free?,
            () = self.interrupt.asked(1) => true,
        };
        if free { Ok(()) } else { Err(error) }
    }

    /// The same command again goes on with what it began.
    async fn go_on(&self, id: RolloutId, archives: Archives, plan: &Plan) -> Result<Exit, Failure> {
        self.context.output.note(&format!(
            "the rollout {id} wants just this, and was left half way: going on with it"
        ));
        self.drive(id, archives, clients(self.context, plan)?).await
    }

    async fn drive(
        &self,
        id: RolloutId,
        archives: Archives,
        clients: UpdaterClients,
    ) -> Result<Exit, Failure> {
        let interrupt = self.interrupt.clone();
        Ok(drive(self.context, id, archives, clients, interrupt).await?.exit())
    }
}

/// Drives a rollout until it rests, and shows it.
pub(super) async fn drive(
    context: &Context,
    id: RolloutId,
    archives: Archives,
    clients: UpdaterClients,
    interrupt: Interrupt,
) -> Result<Summary, Failure> {
    let rollouts = context.rollouts();
    let (plan, _) = rollouts.begun(id)?;
    let names = ReleaseNames::read(&context.store)?;
    let progress = follow(context, id, &plan, &names, true)?;
    let ended = rollouts.drive(id, archives, clients, interrupt, &progress).await;
    drop(progress);
    let summary = ended?;
    show_summary(&context.output, &summary, &names, (context.now)());
    Ok(summary)
}

/// The screen of a rollout that this process drives, or another one.
pub(super) fn follow<'a>(
    context: &'a Context,
    id: RolloutId,
    plan: &Plan,
    names: &'a ReleaseNames,
    driven_here: bool,
) -> Result<Progress<'a>, Failure> {
    let Context { store, output, now, .. } = context;
    let status = rollout_status(store, store.rollout(id)?, now())?;
    let expected = context.rollouts().estimate(plan)?;
    let style = output.message_style();
    let shown = Shown { names: names.clone(), expected, style, now: *now };
    Ok(Progress::new(output, status, driven_here, names, shown))
}

/// The updaters of a plan's hosts; of one that was taken out of the fleet since, why it has none.
pub(super) fn clients(context: &Context, plan: &Plan) -> Result<UpdaterClients, Failure> {
    let fleet = Fleet::open(&context.home, &context.store, context.timeouts)?;
    let hosts = context.store.hosts()?;
    let known: HashMap<_, _> = hosts.iter().map(|host| (&host.name, host)).collect();
    let client = |name: &HostName| {
        let host = known.get(name).ok_or(ClientError::NotInFleet("not enrolled".to_owned()))?;
        // One that is held is asked about what it has begun; it is given nothing new.
        let gone = host.skip_reason().filter(|reason| !matches!(reason, SkipReason::Held(_)));
        gone.map_or(Ok(()), |reason| Err(ClientError::NotInFleet(reason.to_string())))?;
        fleet.client(host)
    };
    Ok(plan.hosts.iter().map(|planned| (planned.host.clone(), client(&planned.host))).collect())
}
