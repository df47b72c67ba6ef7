//! Makes restorers ready aside, so that the loop never waits for a plan.
//!
//! Planning a network for a size takes tenths of a second, in which a camera delivers a dozen
//! frames: they go on by the restorer that is there.

use super::aside::Aside;
use super::governor::Level;
use super::mailbox::{Mailbox, Taken};
use super::shared::{PATIENCE, Shared};
use crate::bundle::Bundle;
use crate::frame::Planes;
use crate::restore::{Options, Restorer};
use crate::vlm::Degradation;
use crate::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

const FAULT: &str = "preparing a restorer";

/// Internal pictures aren't made smaller than this, pixels per side.
const LEAST_SIDE: usize = 64;

/// A model that frames may be restored by.
pub(super) struct Model {
    /// Rises with each model that is loaded.
    pub(super) number: u64,
    /// The best first, at least one; the same d_I serves them all.
    pub(super) tiers: Vec<Arc<Bundle>>,
    pub(super) options: Options,
    /// Whether its restorers work aside; those on a GPU where not said.
    pub(super) overlap: Option<bool>,
}

impl Model {
    /// Name, version and number format, for people.
    pub(super) fn describe(&self) -> String {
        let describe = |bundle: &Arc<Bundle>| {
            let manifest = bundle.manifest();
            let dtype = bundle.variant(self.options.dtype).map(|variant| variant.dtype.to_string());
            format!("{} {} {}", manifest.name, manifest.version, dtype.unwrap_or_default())
        };
        self.tiers.iter().map(describe).collect::<Vec<_>>().join(", ")
    }

    /// The best tier's folder, where it lies in one.
    pub(super) fn folder(&self) -> String {
        let folder = self.tiers.first().and_then(|bundle| bundle.folder());
        folder.map(|folder| folder.display().to_string()).unwrap_or_default()
    }

    /// MACs per pixel of each tier.
    pub(super) fn costs(&self) -> Vec<f64> {
        let cost = |bundle: &Arc<Bundle>| bundle.manifest().config.cost(512, 512).macs_per_pixel();
        self.tiers.iter().map(cost).collect()
    }

    /// The bundle of a tier; the lightest for those beyond it.
    pub(super) fn tier(&self, tier: usize) -> &Arc<Bundle> {
        &self.tiers[tier.min(self.tiers.len() - 1)]
    }

    /// The size that frames of a size are restored at: (width, height), multiples of the
    /// network's.
    pub(super) fn internal_size(&self, size: (u32, u32), Level { tier, scale, .. }: Level) -> (u32, u32) {
        if scale >= 1.0 {
            return size;
        }
        let multiple = self.tier(tier).manifest().config.multiple();
        let side = |side: u32| {
            let wanted = (f64::from(side) * scale / multiple as f64).round() as usize * multiple;
            let least = LEAST_SIDE.next_multiple_of(multiple);
            u32::try_from(wanted.max(least)).unwrap_or(side).min(side)
        };
        (side(size.0), side(size.1))
    }
}

/// What the worker wants.
#[derive(Clone)]
pub(super) struct Order {
    pub(super) model: Arc<Model>,
    pub(super) level: Level,
    /// Of the frames: (width, height).
    pub(super) size: (u32, u32),
}

impl Order {
    /// Whether one restorer serves both: how often it runs is no matter of its own.
    fn is_for(&self, other: &Self) -> bool {
        let what = |order: &Self| (order.model.number, order.level.tier, order.level.scale, order.size);
        what(self) == what(other)
    }
}

/// A restorer that has run once at its size.
pub(super) struct Prepared {
    pub(super) order: Order,
    pub(super) place: Place,
    /// (width, height) that it takes.
    pub(super) internal: (u32, u32),
    /// Whether a GPU restores, as far as it isn't lost.
    on_gpu: bool,
}

/// Where a restorer works.
pub(super) enum Place {
    /// On the thread that asks it to.
    Here(Box<Restorer>),
    /// On a thread of its own.
    Aside(Arc<Aside>),
}

/// The two ends of the counter.
#[derive(Default)]
pub(super) struct Counter {
    pub(super) orders: Mailbox<Order>,
    pub(super) ready: Mailbox<Made>,
}

/// What came of an order.
pub(super) enum Made {
    Ready(Box<Prepared>),
    /// It can't be filled, as a fault says.
    Refused(Order),
}

/// Fills orders until the counter is closed.
pub(super) fn run(shared: &Shared, counter: &Counter) {
    loop {
        let order = match counter.orders.take(PATIENCE) {
            Taken::Item(order) => order,
            Taken::Nothing if !shared.controls().stopped() => continue,
            Taken::Nothing | Taken::Closed => return,
        };
        match prepare(order.clone()) {
            Ok(prepared) => {
                shared.telemetry.mended(FAULT);
                counter.ready.put(Made::Ready(Box::new(prepared)));
            }
            Err(e) => {
                shared.telemetry.fault(FAULT, e);
                counter.ready.put(Made::Refused(order));
            }
        }
    }
}

/// Opens a restorer and runs it once, which plans it for the size.
pub(super) fn prepare(order: Order) -> Result<Prepared> {
    let Order { model, level, size } = &order;
    let (internal, bundle) = (model.internal_size(*size, *level), model.tier(level.tier));
    // What the engine trips over must not take the workshop down.
    let restorer = catch_unwind(AssertUnwindSafe(|| {
        let mut restorer = Restorer::open(bundle, &model.options)?;
        let grey = Planes::from_elem((3, internal.1 as usize, internal.0 as usize), 0.5);
        restorer.restore(grey.view(), &Degradation::of_prompt(&bundle.prompts()?, 0)?)?;
        Ok(restorer)
    }));
    let restorer = restorer.map_err(|_| Error::Model("the engine gave up on it".into()))??;
    let on_gpu = restorer.is_on_gpu();
    Ok(Prepared { order, place: Place::Here(Box::new(restorer)), internal, on_gpu })
}

/// The restorers that are ready, and the one that was asked for.
pub(super) struct Shelf {
    shared: Arc<Shared>,
    prepared: Vec<Prepared>,
    ordered: Option<Order>,
    /// What could not be made, and when.
    refused: Option<(Order, Instant)>,
}

/// Restorers kept: the present level, the ones beside it.
const KEPT: usize = 4;

/// What was refused isn't asked for again for so long: memory may be free by then.
const RETRY: Duration = Duration::from_secs(5);

impl Shelf {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, prepared: Vec::new(), ordered: None, refused: None }
    }

    /// Takes in what the workshop has finished; the oldest leaves.
    pub(super) fn stock(&mut self, counter: &Counter) {
        while let Taken::Item(made) = counter.ready.take(Duration::ZERO) {
            let order = match &made {
                Made::Ready(prepared) => &prepared.order,
                Made::Refused(order) => order,
            };
            if self.ordered.as_ref().is_some_and(|ordered| ordered.is_for(order)) {
                self.ordered = None;
            }
            match made {
                Made::Ready(prepared) => self.add(*prepared),
                Made::Refused(order) => self.refused = Some((order, Instant::now())),
            }
        }
    }

    /// Takes one in; what works aside starts its thread, on the caller's cores.
    pub(super) fn add(&mut self, prepared: Prepared) {
        let prepared = match prepared.place {
            Place::Here(restorer) if prepared.order.model.overlap.unwrap_or(prepared.on_gpu) => {
                let shared = Arc::clone(&self.shared);
                match Aside::start(*restorer, move || shared.frames.poke()) {
                    Ok(aside) => Prepared { place: Place::Aside(Arc::new(aside)), ..prepared },
                    Err(e) => return self.shared.telemetry.fault(FAULT, e),
                }
            }
            place => Prepared { place, ..prepared },
        };
        self.prepared.retain(|kept| !kept.order.is_for(&prepared.order));
        if self.prepared.len() == KEPT {
            self.prepared.remove(0);
        }
        self.prepared.push(prepared);
    }

    /// Whether an order can be filled at once.
    pub(super) fn has(&self, order: &Order) -> bool {
        self.prepared.iter().any(|prepared| prepared.order.is_for(order))
    }

    /// Whether a restorer for the same model and size of frames runs on the CPU.
    pub(super) fn is_on_cpu(&self, order: &Order) -> bool {
        self.fitting(order).any(|prepared| !prepared.on_gpu)
    }

    fn fitting(&self, order: &Order) -> impl Iterator<Item = &Prepared> {
        let (number, size) = (order.model.number, order.size);
        self.prepared
            .iter()
            .filter(move |prepared| prepared.order.model.number == number && prepared.order.size == size)
    }

    /// Asks for one that isn't there, one at a time; not at once for one that can't be made.
    pub(super) fn want(&mut self, order: &Order, counter: &Counter) {
        let asked = self.ordered.as_ref().is_some_and(|ordered| ordered.is_for(order));
        let mut refused = self.refused.iter();
        let refused = refused.any(|(refused, at)| refused.is_for(order) && at.elapsed() < RETRY);
        if !asked && !refused && !self.has(order) {
            self.ordered = Some(order.clone());
            counter.orders.put(order.clone());
        }
    }

    /// The restorer for an order, or the nearest there is for the same model and size.
    pub(super) fn find(&mut self, order: &Order) -> Option<&mut Prepared> {
        let distance = |prepared: &Prepared| {
            let Level { tier, scale, .. } = prepared.order.level;
            (scale - order.level.scale).abs() + tier.abs_diff(order.level.tier) as f64
        };
        let fitting = self.prepared.iter_mut().filter(|prepared| {
            prepared.order.model.number == order.model.number && prepared.order.size == order.size
        });
        fitting.min_by(|a, b| distance(a).total_cmp(&distance(b)))
    }

    /// Lets go of what another model or another size of frames needed.
    pub(super) fn keep_only(&mut self, order: &Order) {
        self.prepared.retain(|prepared| {
            prepared.order.model.number == order.model.number && prepared.order.size == order.size
        });
    }
}
