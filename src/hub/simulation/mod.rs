//! A simulation of several nodes: real hubs, a database that only they write, and a bus that loses, repeats and
//! reorders messages. Each step is drawn from a seed, so a failure can be repeated. Time is virtual: the number
//! of steps. It checks what clients are promised, and that it finds planted faults.

mod client;
mod database;
mod fault;
mod node;

use std::sync::Arc;

use meowsenger_testing::Chance;

use crate::domain::ids::{ChatId, SessionId, UserId};

use client::{Client, Connected};
use database::Database;
use fault::{Broken, Fault, Promise};
use node::Node;

/// The number of seeds, unless `MEOW_SIMULATION_SEEDS` says otherwise.
const SEEDS: u64 = 300;
const STEPS: usize = 400;
const NODES: usize = 3;
const CHATS: usize = 3;
const USERS: usize = 4;
const CLIENTS_MAX: usize = 8;

struct Simulation {
    chance: Chance,
    database: Database,
    nodes: Vec<Node>,
    clients: Vec<Client>,
    fault: Option<Fault>,
}

#[test]
fn clients_receive_what_they_are_promised_whatever_the_bus_does() {
    #[expect(clippy::disallowed_methods, reason = "set to try more seeds")]
    let given = std::env::var("MEOW_SIMULATION_SEEDS").ok();
    let seeds = given.map_or(SEEDS, |given| given.parse().expect("a number"));
    for seed in 0..seeds {
        if let Err(Broken { promise, context }) = Simulation::new(seed, None).run() {
            panic!("seed {seed}: {promise:?} is broken: {context}");
        }
    }
}

#[test]
fn planted_faults_are_found() {
    for (fault, promise) in [
        (Fault::GapsStayOpen, Promise::Converges),
        (Fault::DeparturesIgnored, Promise::MembersOnly),
        (Fault::JoinsIgnored, Promise::Converges),
        (Fault::WrittenTwice, Promise::OnceInOrder),
        (Fault::WrittenInReverse, Promise::NoSilentGap),
        (Fault::NotWritten, Promise::NoSilentGap),
        (Fault::NoResync, Promise::NoSilentGap),
    ] {
        let find = |seed| Simulation::new(seed, Some(fault)).run().err();
        let found = (0..20).filter_map(find).find(|broken| broken.promise == promise);
        assert!(found.is_some(), "{fault:?} breaks {promise:?}, which was not found");
    }
}

impl Simulation {
    fn new(seed: u64, fault: Option<Fault>) -> Self {
        let mut chance = Chance::from_seed(seed);
        // Small queues overflow.
        let queue_bytes = if chance.one_in(3) { 1_500 } else { 1 << 20 };
        let nodes = (0..NODES).map(|_| Node::new(queue_bytes, fault)).collect();
        Self { chance, database: Database::new(id(CHATS)), nodes, clients: Vec::new(), fault }
    }

    fn run(mut self) -> Result<(), Broken> {
        for _ in 0..STEPS {
            self.step()?;
        }
        self.settle()?;
        for client in &self.clients {
            let expected = self.database.versions_of(client.user);
            let context = || format!("{client:?} knows {:?} of {expected:?}", client.known);
            Promise::Converges.check(client.known == expected, context)?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), Broken> {
        let node = self.chance.below(NODES);
        match self.chance.below(16) {
            0..=4 => self.commit(node),
            5..=7 => self.publish(node),
            8..=10 => drop(self.nodes[node].receive()),
            11 => self.connect_or_disconnect(node),
            12..=13 => self.run_a_client()?,
            14 => {
                self.nodes[node].fill_gaps(&self.database);
                self.nodes[node].confirm_entered(&self.database);
            }
            _ => self.nodes[node].sweep(&self.database),
        }
        self.inspect()
    }

    /// A node commits a change. One in forty dies before it publishes it, as far as anybody can see.
    fn commit(&mut self, node: usize) {
        let (chat, user) = (ChatId(self.one_of(CHATS)), UserId(self.one_of(USERS)));
        let events = match self.chance.below(6) {
            0 => self.database.join(chat, user),
            1 => self.database.leave(chat, user),
            _ => self.database.send(chat),
        };
        if !self.chance.one_in(40) {
            self.nodes[node].commit(events);
        }
    }

    fn publish(&mut self, node: usize) {
        for envelope in self.nodes[node].publish_next() {
            for other in (0..NODES).filter(|other| *other != node) {
                self.nodes[other].carry(&envelope, &mut self.chance);
            }
        }
    }

    fn connect_or_disconnect(&mut self, node: usize) {
        if self.clients.len() == CLIENTS_MAX || self.chance.one_in(4) && !self.clients.is_empty() {
            let index = self.chance.below(self.clients.len());
            self.clients.swap_remove(index);
        } else {
            let user = UserId(self.one_of(USERS));
            let hub = Arc::clone(&self.nodes[node].hub);
            let connection = hub.connect(user, SessionId(user.0), usize::MAX).expect("room");
            self.clients.push(Client::new(hub, connection, self.fault));
        }
    }

    fn run_a_client(&mut self) -> Result<(), Broken> {
        if !self.clients.is_empty() {
            let index = self.chance.below(self.clients.len());
            if self.clients[index].run(&self.database)? == Connected::No {
                self.clients.swap_remove(index);
            }
        }
        Ok(())
    }

    /// Lets everything arrive and be caught up with.
    fn settle(&mut self) -> Result<(), Broken> {
        for node in 0..NODES {
            while self.nodes[node].has_committed() {
                self.publish(node);
                self.inspect()?;
            }
        }
        for _ in 0..3 {
            for node in 0..NODES {
                while self.nodes[node].receive() {
                    self.inspect()?;
                }
                self.nodes[node].sweep(&self.database);
                // Behind a gap there may be another one, but not so many.
                let filled = (0..STEPS).all(|_| self.nodes[node].fill_gaps(&self.database));
                assert!(!filled, "a gap that is not closed");
                self.inspect()?;
            }
            self.run_all_clients()?;
        }
        Ok(())
    }

    /// So often that each of them connects, perhaps in a second attempt, and reads.
    fn run_all_clients(&mut self) -> Result<(), Broken> {
        for mut client in std::mem::take(&mut self.clients) {
            let mut is_connected = true;
            for _ in 0..9 {
                is_connected &= client.run(&self.database)? == Connected::Yes;
            }
            if is_connected {
                self.clients.push(client);
            }
        }
        Ok(())
    }

    fn inspect(&mut self) -> Result<(), Broken> {
        self.clients.iter_mut().try_for_each(|client| client.inspect(&self.database))
    }

    fn one_of(&mut self, count: usize) -> i64 {
        1 + id(self.chance.below(count))
    }
}

fn id(number: usize) -> i64 {
    i64::try_from(number).expect("small")
}
