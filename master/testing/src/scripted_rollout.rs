//! Plans and scripted fleets for the engine's tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{
    Action, AppReport, Batch, Command, Event, HostOrder, HostReport, HostResult, MasterCode,
    Notice, Observation, Plan, PlannedHost, Policy, Request, State, Status, fold, host_results,
    step,
};
use protocol::{AgentState, Code, Digest, HostName, HostOutcome, Kind, Phase};
use time::{Duration, OffsetDateTime};

use crate::at;

pub const OLD: Digest = Digest::from_bytes([1; 32]);
pub const NEW: Digest = Digest::from_bytes([2; 32]);

/// A policy from `canary=1 batch=10% parallel=2 row=2 failures=3 trip=rollback approve=start
/// delay=5s`.
pub fn policy(words: &str) -> Policy {
    let mut policy = Policy::default();
    for (key, value) in words.split_whitespace().map(|word| word.split_once('=').unwrap()) {
        let quoted = || serde_json::Value::String(value.to_owned());
        match key {
            "canary" => policy.canary = value.parse().unwrap(),
            "batch" => policy.batch = Some(value.parse().unwrap()),
            "parallel" => policy.parallel = value.parse().unwrap(),
            "row" => policy.max_consecutive_failures = value.parse().unwrap(),
            "failures" => policy.max_failures = Some(value.parse().unwrap()),
            "trip" => policy.on_trip = serde_json::from_value(quoted()).unwrap(),
            "approve" => policy.approve = serde_json::from_value(quoted()).unwrap(),
            "delay" => policy.delay = value.parse().unwrap(),
            "watch" => policy.options.watch = Some(value.parse().unwrap()),
            other => panic!("{other}"),
        }
    }
    policy
}

/// A plan for hosts `h-0`, `h-1`, …, which all run [`OLD`] and are to run [`NEW`].
pub fn plan_of(hosts: u32, policy: Policy) -> Plan {
    let host = |number| PlannedHost {
        host: name(number),
        action: Action::Update,
        from: Some(OLD),
        to: Some(NEW),
        bytes: 1000,
        mends: false,
        code: None,
        detail: None,
        needed: None,
        free: None,
        updater: None,
        domain: None,
        observation: Some(here(OLD, true)),
    };
    Plan {
        format: 1,
        kind: Kind::Update,
        app: "agent".parse().unwrap(),
        target: Some(NEW),
        has_archive: true,
        updater: None,
        migration: None,
        selection: "--all".to_owned(),
        message: None,
        by_name: false,
        batches: Batch::split(hosts, &policy),
        policy,
        hosts: (0..hosts).map(host).collect(),
        made_at: at(0),
    }
}

/// A rollout that went on until nothing happened by itself any more.
pub fn run(hosts: u32, words: &str, scripts: &[(u32, HostScript)]) -> ScriptedRollout {
    let mut scripted = ScriptedRollout::new(plan_of(hosts, policy(words)), scripts);
    scripted.run();
    scripted
}

pub fn name(number: u32) -> HostName {
    format!("h-{number}").parse().unwrap()
}

pub fn here(active: Digest, healthy: bool) -> Observation {
    let agent = if healthy { AgentState::Running } else { AgentState::Dead };
    let app = AppReport {
        active: Some(active),
        phase: Phase::Idle,
        healthy,
        reason: None,
        stranded: false,
        agent,
        room: None,
        undoes_to: None,
        watch: None,
    };
    Observation::Reported(HostReport { app: Some(app), updater: OLD })
}

/// What a host comes to when it is ordered to run the new release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostScript {
    Good,
    Bad,
    Full,
    Lost,
    /// It says nothing of itself, and on being asked that it is good.
    Late,
    Never,
}

/// A rollout, the hosts that it is about, and the clock of both. Answers come one a second, in the
/// order of the commands.
pub struct ScriptedRollout {
    pub state: State,
    pub now: OffsetDateTime,
    pub told: Vec<Notice>,
    pub stored: Vec<(OffsetDateTime, Event)>,
    pub most_under_way: usize,
    pub runs: BTreeMap<HostName, Digest>,
    /// What went out, and has not been answered.
    pub out: Vec<Command>,
    pub orders: Vec<HostName>,
    /// Hosts that were told to end what they do.
    pub stopped: Vec<HostName>,
    plan: Arc<Plan>,
    scripts: BTreeMap<HostName, HostScript>,
}

impl ScriptedRollout {
    /// All hosts take the release well, but for these.
    pub fn new(plan: Plan, scripts: &[(u32, HostScript)]) -> Self {
        let plan = Arc::new(plan);
        let runs = plan.hosts.iter().map(|host| (host.host.clone(), OLD)).collect();
        Self {
            state: State::new(Arc::clone(&plan), at(0)),
            now: at(0),
            told: Vec::new(),
            stored: Vec::new(),
            most_under_way: 0,
            runs,
            out: Vec::new(),
            orders: Vec::new(),
            stopped: Vec::new(),
            plan,
            scripts: scripts.iter().map(|(number, script)| (name(*number), *script)).collect(),
        }
    }

    /// Begins, and goes on until nothing happens by itself any more.
    pub fn run(&mut self) -> &mut Self {
        self.send(Event::DriverStarted { who: "ada".to_owned(), epoch: 1 });
        self.go_on()
    }

    pub fn ask(&mut self, request: Request) -> &mut Self {
        self.send(Event::Requested { who: "eve".to_owned(), request, because: None });
        self.go_on()
    }

    pub fn go_on(&mut self) -> &mut Self {
        while self.one() {}
        self
    }

    /// The next thing that happens by itself; whether there was one.
    pub fn one(&mut self) -> bool {
        if self.state.is_idle() {
            return false;
        }
        let answered = self.out.iter().position(|command| self.answer(command).is_some());
        if let Some(place) = answered {
            let command = self.out.remove(place);
            self.now += Duration::seconds(1);
            let event = self.answer(&command).unwrap();
            self.happened(&event);
            self.send(event);
            return true;
        }
        match self.state.deadline() {
            Some(deadline) => {
                self.now = self.now.max(deadline);
                self.send(Event::DeadlineReached);
                true
            }
            None => false,
        }
    }

    pub fn send(&mut self, event: Event) {
        self.stored.push((self.now, event.clone()));
        let (state, commands) = step(self.state.clone(), event, self.now);
        self.state = state;
        for command in commands {
            match command {
                Command::Announce(notice) => self.told.push(notice),
                Command::RecordSkipped(_) => {}
                Command::Stop { host } => self.stopped.push(host),
                Command::Abandon { host } => self.out.retain(|out| of(out) != Some(&host)),
                other => {
                    if let Command::Order { host, .. } = &other {
                        self.orders.push(host.clone());
                    }
                    self.out.push(other);
                }
            }
        }
        self.most_under_way = self.most_under_way.max(self.under_way());
    }

    /// A driver that is killed: the answers to what it had sent out are lost. Another one goes on.
    pub fn die_and_resume(&mut self) {
        for command in std::mem::take(&mut self.out) {
            // The hosts go on without it.
            if let Some(event) = self.answer(&command) {
                self.happened(&event);
            }
        }
        let text = serde_json::to_string(&self.stored).unwrap();
        self.stored = serde_json::from_str(&text).unwrap();
        self.state = fold(Arc::clone(&self.plan), at(0), self.stored.clone());
        self.send(Event::DriverStarted { who: "bob".to_owned(), epoch: 2 });
    }

    fn happened(&mut self, event: &Event) {
        if let Event::OrderEnded { result } = event
            && let Some(to) = result.to
        {
            self.runs.insert(result.host.clone(), to);
        }
    }

    fn answer(&self, command: &Command) -> Option<Event> {
        let host = of(command)?.clone();
        let result =
            |outcome, to| HostResult { from: Some(OLD), to, ..HostResult::new(&host, outcome) };
        let script = self.scripts.get(&host).copied().unwrap_or(HostScript::Good);
        let ended = |result| Some(Event::OrderEnded { result: Box::new(result) });
        let lost = || result(HostOutcome::Unclear, None).with_reason(MasterCode::Lost, "gone");
        match command {
            Command::Observe { .. } => {
                let observation = here(self.runs[&host], true);
                Some(Event::Observed { host, observation })
            }
            Command::Order { order: HostOrder::Back { to }, .. } => {
                ended(result(HostOutcome::RolledBack, Some(*to)))
            }
            Command::Order { .. } => match script {
                HostScript::Good => ended(result(HostOutcome::Updated, Some(NEW))),
                HostScript::Bad => {
                    let result = result(HostOutcome::RolledBack, Some(OLD));
                    ended(result.with_reason(Code::RolledBack, "it died"))
                }
                HostScript::Full => ended(
                    result(HostOutcome::Failed, Some(OLD)).with_reason(Code::NoSpace, "it is full"),
                ),
                HostScript::Lost => ended(lost()),
                HostScript::Late | HostScript::Never => None,
            },
            Command::QueryOutcome { .. } if script == HostScript::Lost => ended(lost()),
            Command::QueryOutcome { .. } if script == HostScript::Late => {
                ended(result(HostOutcome::Updated, Some(NEW)))
            }
            _ => None,
        }
    }

    pub fn status(&self) -> &Status {
        self.state.status().0
    }

    /// How many hosts an answer is waited for from.
    pub fn under_way(&self) -> usize {
        self.state.hosts().filter(|(_, host)| host.activity.is_under_way()).count()
    }

    /// The outcomes by name, one letter a host: `u`pdated, `r`olled back, `f`ailed, un`x`reachable,
    /// unclear (`?`), `s`kipped, `c`urrent, s`t`randed.
    pub fn outcomes(&self) -> String {
        let letter = |result: HostResult| match result.outcome {
            HostOutcome::Updated => 'u',
            HostOutcome::AlreadyCurrent => 'c',
            HostOutcome::RolledBack => 'r',
            HostOutcome::Failed => 'f',
            HostOutcome::Unreachable => 'x',
            HostOutcome::Unclear => '?',
            HostOutcome::Stranded => 't',
            HostOutcome::Skipped => 's',
        };
        host_results(&self.state).into_iter().map(letter).collect()
    }

    pub fn code(&self, number: u32) -> String {
        let host = name(number);
        let result =
            host_results(&self.state).into_iter().find(|result| result.host == host).unwrap();
        result.code.map(String::from).unwrap_or_default()
    }
}

fn of(command: &Command) -> Option<&HostName> {
    match command {
        Command::Observe { host }
        | Command::Order { host, .. }
        | Command::Stop { host }
        | Command::QueryOutcome { host, .. }
        | Command::Abandon { host } => Some(host),
        Command::Announce(_) | Command::RecordSkipped(_) => None,
    }
}
