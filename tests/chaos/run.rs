//! One experiment: a cluster under load, from the first message to the verdict. What goes wrong meanwhile is
//! decided by its caller.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use meowsenger_client::UserId;
use meowsenger_client::types::NewGroup;
use meowsenger_testing::Chance;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::actor::{self, Actor, Notes};
use super::cluster::Cluster;
use super::history::{History, What};
use super::probe::Probe;
use super::{judge, truth};

/// The time after the last fault within which all clients must have the server's state.
const QUIET: Duration = Duration::from_secs(40);
/// The time after that within which pending requests must end.
const FINISH: Duration = Duration::from_secs(60);
/// The time within which sends must be acknowledged again, at the latest.
const RECOVERY: Duration = Duration::from_secs(60);

pub struct Run {
    name: &'static str,
    pub cluster: Cluster,
    pub notes: Arc<Notes>,
    pub probes: Vec<Arc<Probe>>,
    history: Arc<History>,
    actors: Vec<Arc<Actor>>,
    acting: JoinSet<()>,
    _listening: JoinSet<()>,
    stop: watch::Sender<bool>,
    began: Instant,
    healed: Instant,
    /// Errors in the log that belong to the experiment: parts of their texts.
    expected: &'static [&'static str],
    may_forget: bool,
    /// What has to outlive the cluster.
    kept: Vec<Box<dyn Any>>,
}

/// What came of it.
pub struct Verdict {
    name: &'static str,
    pub lost: usize,
    /// Acknowledged messages that the database lost by going back in time.
    pub forgiven: usize,
    pub doubled: usize,
    pub faults: Vec<String>,
    pub longest: Duration,
    acked: usize,
    refusals: usize,
    recovery: Duration,
    in_sync: Duration,
    took: Duration,
    memory: u64,
    history: Arc<History>,
}

impl Run {
    /// As many users as the cluster has proxies for them make `chats` and begin to act. A probe sends to each
    /// node.
    pub async fn begin(
        name: &'static str,
        cluster: Cluster,
        chats: usize,
        chance: &mut Chance,
    ) -> Self {
        let (history, notes) = (Arc::new(History::new()), Arc::new(Notes::default()));
        let mut listening = JoinSet::new();
        let mut actors = Vec::new();
        for (number, proxy) in cluster.proxies.iter().enumerate() {
            let (actor, events) = Actor::enter(number, &proxy.base, &history, &notes).await;
            listening.spawn(actor::listen(
                number,
                events,
                Arc::clone(&history),
                Arc::clone(&notes),
            ));
            actors.push(Arc::new(actor));
        }
        let ids: Vec<_> = actors.iter().map(|actor| actor.id).collect();
        make_chats(&actors, &ids, chats, chance).await;
        let entering = cluster.doors.iter().enumerate();
        let probes =
            join_all(entering.map(|(number, door)| Probe::enter(number, &door.base, &notes)));
        let probes: Vec<_> = probes.await.into_iter().map(Arc::new).collect();

        let (stop, stopped) = watch::channel(false);
        let mut acting = JoinSet::new();
        for actor in &actors {
            let others = ids.iter().copied().filter(|id| *id != actor.id).collect();
            acting.spawn(Arc::clone(actor).act(chance.fork(), others, stopped.clone()));
        }
        for probe in &probes {
            acting.spawn(Arc::clone(probe).act(stopped.clone()));
        }
        Self {
            name,
            cluster,
            notes,
            probes,
            history,
            actors,
            acting,
            _listening: listening,
            stop,
            began: Instant::now(),
            healed: Instant::now(),
            expected: &[],
            may_forget: false,
            kept: Vec::new(),
        }
    }

    /// The same with a seed of its own, three chats for every two users, and two seconds of load.
    pub async fn steady(name: &'static str, cluster: Cluster) -> Self {
        let mut chance = Chance::from_variable("MEOW_CHAOS_SEED", name);
        let chats = cluster.proxies.len() * 2 / 3;
        let run = Self::begin(name, cluster, chats, &mut chance).await;
        run.under_load(2).await;
        run
    }

    /// These errors in the log belong to the experiment.
    pub fn expect_errors(&mut self, texts: &'static [&'static str]) {
        self.expected = texts;
    }

    /// From now on the database may lack what was acknowledged, and clients may have to start over.
    pub fn forgive(&mut self) {
        self.notes.sends.lock().expect("not poisoned").forgive();
        self.may_forget = true;
    }

    /// Drops something after the cluster.
    pub fn keep(&mut self, what: impl Any) {
        self.kept.push(Box::new(what));
    }

    /// What the clients have found so far.
    pub fn faults_so_far(&self) -> Vec<String> {
        self.notes.faults.lock().expect("not poisoned").clone()
    }

    /// Records what is done to the system.
    pub fn note(&self, words: impl Into<String>) {
        self.history.add(None, What::Did(words.into()));
    }

    pub async fn under_load(&self, seconds: u64) {
        sleep(Duration::from_secs(seconds)).await;
    }

    /// Everything that the experiment broke works again. Starts what has ended meanwhile, and waits until
    /// sends are acknowledged.
    pub async fn recover(&mut self) {
        self.healed = Instant::now();
        self.note("healed");
        self.cluster.heal().await;
        let recovering = join_all(self.probes.iter().map(|probe| probe.recovered()));
        if timeout(RECOVERY, recovering).await.is_err() {
            let fault = format!("sends are still refused after {RECOVERY:?}");
            self.notes.faults.lock().expect("not poisoned").push(fault);
        }
    }

    /// Ends the load, waits until every client has the server's state, and judges.
    pub async fn end(mut self) -> Verdict {
        self.stop.send_replace(true);
        self.note("stopped");
        let mut faults = Vec::new();
        let finished = async { while self.acting.join_next().await.is_some() {} };
        if timeout(FINISH, finished).await.is_err() {
            faults.push(format!("{} clients wait for an answer", self.acting.len()));
        }
        let (actors, nodes) = (&self.actors, self.cluster.bases());
        let quiet = timeout(QUIET, truth::until_all_know_all(actors, nodes[0], &self.notes)).await;
        self.note(format!("quiet: {}", quiet.is_ok()));
        if quiet.is_err() {
            faults.push("they did not come to know everything in time".to_owned());
        }
        let in_sync = self.healed.elapsed();

        faults.append(&mut self.notes.faults.lock().expect("not poisoned"));
        faults.extend(self.probes.iter().flat_map(|probe| probe.faults()));
        let is_expected = |line: &String| self.expected.iter().any(|text| line.contains(text));
        faults.extend(self.cluster.complaints().into_iter().filter(|line| !is_expected(line)));
        faults.extend(judge::frames(&self.history.entries()));
        faults.extend(judge::reported(&self.history.entries(), self.may_forget));
        let findings = truth::judge(actors, &self.probes, &nodes, &self.notes).await;
        faults.extend(findings.faults);
        let sends = self.notes.sends.lock().expect("not poisoned");
        let probes = self.probes.iter();
        Verdict {
            name: self.name,
            lost: findings.lost,
            forgiven: findings.forgiven,
            doubled: findings.doubled,
            faults,
            acked: sends.acked.len() + sends.forgiven.len(),
            refusals: probes.clone().map(|probe| probe.refusals()).sum(),
            longest: probes.clone().map(|probe| probe.longest()).max().unwrap_or_default(),
            recovery: probes.map(|probe| probe.recovery(self.healed)).max().unwrap_or_default(),
            in_sync,
            took: self.began.elapsed(),
            memory: self.cluster.memory(),
            history: Arc::clone(&self.history),
        }
    }
}

impl Verdict {
    /// Prints the figures as a row of the table in docs/reliability.md, and panics with the faults.
    pub fn demand_none(mut self, answered_within: Duration) {
        self.print();
        assert!(self.acked > 0, "nothing happened");
        if self.longest > answered_within {
            self.faults
                .push(format!("an answer took {:?}, over {answered_within:?}", self.longest));
        }
        if !self.faults.is_empty() {
            let (path, count) = (self.history.keep(), self.faults.len());
            self.faults.truncate(40);
            panic!(
                "{count} faults; the history is in {}\n{}",
                path.display(),
                self.faults.join("\n")
            );
        }
    }

    /// For a negative control: a judge that finds nothing is blind. Returns what it found.
    pub fn demand_faults(self) -> Self {
        self.print();
        assert!(!self.faults.is_empty(), "the judge does not notice what was broken on purpose");
        self
    }

    #[expect(clippy::print_stdout, reason = "the figures are what it is for")]
    fn print(&self) {
        let Self { name, lost, forgiven, doubled, acked, refusals, memory, .. } = self;
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let lost = if *forgiven > 0 { lost + forgiven } else { *lost };
        let (longest, recovery, in_sync) =
            (seconds(self.longest), seconds(self.recovery), seconds(self.in_sync));
        let took = self.took.as_secs();
        // On a line of its own: the test's name may stand before it.
        println!(
            "\n| {name} | {acked} | {lost} | {doubled} | {refusals} | {longest} | {recovery} | {in_sync} | \
             {memory} MiB | {took} s |"
        );
    }
}

/// Small groups, and some private chats.
async fn make_chats(actors: &[Arc<Actor>], ids: &[UserId], count: usize, chance: &mut Chance) {
    for number in 0..count {
        let actor = &actors[number % actors.len()];
        let others: Vec<_> = (0..2 + chance.below(6)).filter_map(|_| chance.pick(ids)).collect();
        let others: Vec<_> = others.into_iter().copied().filter(|id| *id != actor.id).collect();
        let made = match others.first() {
            Some(other) if number % 5 == 0 => actor.client.private_chat(*other).await,
            _ => {
                let group = NewGroup::new(format!("Room {number}")).members(others);
                actor.client.create_group(&group).await
            }
        };
        made.expect("made");
    }
}
