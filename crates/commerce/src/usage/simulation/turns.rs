//! What happens in a schedule beside calls and batches: time passes, sellers change what they sell, processes stop and start.

use std::sync::Arc;
use std::time::Duration;

use ledger::HoldStatus;

use super::schedule::Schedule;
use super::server::{Lock, lock};
use super::{Break, world};
use crate::usage::commit::Database;
use crate::usage::order::{Order, Work};

impl Schedule {
    pub(super) fn pass_time(&mut self) {
        let mut server = lock(&self.server);
        let secs = server.rng.one_of(&[0, 1, 15, 120, 900]);
        server.now = server.now + Duration::from_millis(secs * 1_000 + 1);
    }

    /// A customer gets another plan, or is archived, or is not any more.
    pub(super) fn change_plans(&mut self) {
        let mut server = lock(&self.server);
        let server = &mut *server;
        let shop = server.rng.one_of(&self.clients.shops);
        let customer = world::customer_id(server.rng.one_of(&self.clients.customers));
        if !server.is_up || !server.is_free(&Lock::Customer(shop, customer)) {
            return;
        }
        server.commits += 1;
        let is_plan = server.rng.permille(700);
        let plan = world::plan(&mut server.rng);
        if let Some(row) = server.tables.customers.get_mut(&(shop, customer)) {
            match is_plan {
                true => row.plans.push((server.commits, Arc::new(plan))),
                false => row.is_archived = !row.is_archived,
            }
            row.version += i64::from(server.broken != Some(Break::VersionsStuck));
        }
    }

    /// A customer gets a grant.
    pub(super) fn give_grant(&mut self) {
        let mut server = lock(&self.server);
        let server = &mut *server;
        let shop = server.rng.one_of(&self.clients.shops);
        let customer = world::customer_id(server.rng.one_of(&self.clients.customers));
        let key = server.rng.one_of(&self.clients.features);
        if !server.is_up || !server.is_free(&Lock::Customer(shop, customer)) {
            return;
        }
        server.commits += 1;
        if let Some(row) = server.tables.customers.get_mut(&(shop, customer)) {
            row.version += 1;
            let (tables, rng) = (&mut server.tables, &mut server.rng);
            world::grant(tables, rng, (shop, customer), key, server.now);
        }
    }

    /// Some grant ends.
    pub(super) fn end_grant(&mut self) {
        let mut server = lock(&self.server);
        let keys: Vec<_> = server.tables.grants.keys().copied().collect();
        if keys.is_empty() || !server.is_up {
            return;
        }
        let (shop, id) = server.rng.one_of(&keys);
        if server.is_free(&Lock::Grant(shop, id)) {
            server.commits += 1;
            if let Some(row) = server.tables.grants.get_mut(&(shop, id)) {
                row.is_closed = true;
            }
        }
    }

    /// A node looks for holds whose time is over, by its own clock.
    pub(super) fn expire(&mut self) {
        let member = self.below(self.members.len());
        let member = &mut self.members[member];
        if !member.is_up {
            return;
        }
        let now = member.node.now();
        let server = lock(&self.server);
        let overdue =
            server.tables.holds.iter().filter(|(_, stored)| {
                stored.hold.status == HoldStatus::Open && stored.hold.expires_at <= now
            });
        let orders =
            overdue.filter_map(|((shop, id), _)| Order::new(*shop, Work::Expire(*id), None, now).ok());
        member.queue.extend(orders.map(|order| (order, None)));
    }

    pub(super) fn stop_or_start_node(&mut self) {
        let which = self.below(self.members.len());
        let has_one_writer = lock(&self.server).has_one_writer();
        let member = &mut self.members[which];
        if !member.is_up {
            member.is_up = true;
        } else {
            member.stop();
            // SQLite lives in the process.
            if has_one_writer {
                lock(&self.server).crash();
            }
        }
        let what = format!("node {} is up: {}", which + 1, member.is_up);
        self.note(which as u64, || what);
    }

    pub(super) fn start_server(&mut self) {
        lock(&self.server).is_up = true;
    }

    pub(super) fn crash_server(&mut self) {
        lock(&self.server).crash();
        self.note(99, || "the database crashes".to_owned());
    }
}
