//! The thread that watches the button and drives the LED and the outputs.

#[cfg(target_os = "linux")]
pub use linux::Panel;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::Panel;

#[cfg(target_os = "linux")]
mod linux {
    use super::super::lines::{Gpio, Output};
    use super::super::{Debounce, is_lit};
    use crate::board::affinity;
    use crate::board::profile::Pins;
    use crate::bundle::Task;
    use crate::telemetry::{State, Telemetry};
    use crate::{Error, Result};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::JoinHandle;
    use std::time::{Duration, Instant};

    /// How often the pins are looked at: often enough to debounce, too seldom to cost anything.
    const TICK: Duration = Duration::from_millis(10);

    /// The button, the LED and the outputs at work, until it is dropped.
    pub struct Panel {
        stop: Arc<AtomicBool>,
        thread: Option<JoinHandle<()>>,
        driver: String,
    }

    impl Panel {
        /// Takes the pins and starts the thread; it shows what `telemetry` says, runs on `cores`
        /// (any where empty), and calls `pressed` for each press.
        ///
        /// # Errors
        /// As [`Gpio::open`]; [`Error::Input`] where no thread can be started.
        pub fn start(
            pins: &Pins,
            cores: &[usize],
            telemetry: Arc<Telemetry>,
            pressed: impl FnMut() + Send + 'static,
        ) -> Result<Self> {
            let gpio = Gpio::open(pins)?;
            let driver = gpio.driver().to_owned();
            let stop = Arc::new(AtomicBool::new(false));
            let (told, cores) = (Arc::clone(&stop), cores.to_vec());
            let thread = std::thread::Builder::new()
                .name("gpio".into())
                .spawn(move || {
                    if let Err(e) = affinity::bind(&cores) {
                        log::warn!("{e}");
                    }
                    run(gpio, &telemetry, &told, pressed);
                })
                .map_err(|e| Error::Input(format!("GPIO: no thread can be started: {e}")))?;
            Ok(Self { stop, thread: Some(thread), driver })
        }

        /// What drives the pins, for people.
        pub fn driver(&self) -> &str {
            &self.driver
        }
    }

    impl Drop for Panel {
        fn drop(&mut self) {
            self.stop.store(true, Ordering::Relaxed);
            if let Some(thread) = self.thread.take() {
                // A panic of that thread has been printed; nothing is left to do.
                let _ = thread.join();
            }
        }
    }

    fn run(mut gpio: Gpio, telemetry: &Telemetry, stop: &AtomicBool, mut pressed: impl FnMut()) {
        let mut debounce = Debounce::default();
        let mut shown = Shown { state: State::Starting, since: Instant::now(), lit: None, on: Vec::new() };
        shown.on.resize(gpio.outputs.len(), None);
        let mut warned = false;
        let mut warn = |outcome: Result<()>| {
            if let (Err(e), false) = (outcome, warned) {
                log::warn!("{e}; it is tried again, and not reported again");
                warned = true;
            }
        };
        while !stop.load(Ordering::Relaxed) {
            let now = Instant::now();
            warn(gpio.button.as_ref().map_or(Ok(()), |button| {
                if debounce.update(button.is_pressed()?, now) {
                    pressed();
                }
                Ok(())
            }));
            let (state, task) =
                telemetry.update(|status| (status.state, status.detected.task.parse::<Task>().ok()));
            warn(shown.show(&mut gpio, state, task, now));
            std::thread::sleep(TICK);
        }
        // Dark: the program is no longer there. It ends anyway if that fails.
        if let Some(led) = &mut gpio.led {
            warn(led.set(false));
        }
        gpio.outputs.iter_mut().for_each(|(_, output)| warn(output.set(false)));
    }

    /// What the lines are driven to.
    struct Shown {
        state: State,
        since: Instant,
        lit: Option<bool>,
        on: Vec<Option<bool>>,
    }

    impl Shown {
        fn show(&mut self, gpio: &mut Gpio, state: State, task: Option<Task>, now: Instant) -> Result<()> {
            if state != self.state {
                (self.state, self.since) = (state, now);
            }
            if let Some(led) = &mut gpio.led {
                change(led, &mut self.lit, is_lit(state, now.duration_since(self.since)))?;
            }
            for ((of, output), was) in gpio.outputs.iter_mut().zip(&mut self.on) {
                change(output, was, task == Some(*of))?;
            }
            Ok(())
        }
    }

    /// Drives a line where it isn't driven so already.
    fn change(output: &mut Output, was: &mut Option<bool>, on: bool) -> Result<()> {
        if *was != Some(on) {
            output.set(on)?;
            *was = Some(on);
        }
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use crate::board::profile::Pins;
    use crate::telemetry::Telemetry;
    use crate::{Error, Result};
    use std::sync::Arc;

    /// Pins, which only Linux has.
    pub enum Panel {}

    impl Panel {
        /// Refuses.
        ///
        /// # Errors
        /// [`Error::Input`]: only Linux has pins.
        pub fn start(
            _: &Pins,
            _: &[usize],
            _: Arc<Telemetry>,
            _: impl FnMut() + Send + 'static,
        ) -> Result<Self> {
            Err(Error::Input("GPIO: pins are there on Linux only".into()))
        }

        /// What drives the pins, for people.
        pub fn driver(&self) -> &str {
            match *self {}
        }
    }
}
