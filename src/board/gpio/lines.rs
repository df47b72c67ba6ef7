//! The pins themselves: a Raspberry Pi's registers through rppal, or any board's chip through the
//! character device.

use crate::board::profile::{OutputPin, Pins};
use crate::bundle::Task;
use crate::{Error, Result};
use gpiocdev::Request;
use gpiocdev::line::{Bias, Value};
use std::fmt::Display;

/// Who holds our lines, as `gpioinfo` shows it.
const CONSUMER: &str = "vlunet";

/// A board's button, LED and outputs; they go back to what they were when it is dropped.
pub struct Gpio {
    pub(super) button: Option<Button>,
    pub(super) led: Option<Output>,
    pub(super) outputs: Vec<(Task, Output)>,
    driver: String,
}

/// A line that is read.
pub(super) struct Button {
    line: Input,
    active_low: bool,
}

enum Input {
    #[cfg(feature = "rppal")]
    Pi(rppal::gpio::InputPin),
    Chip(Request),
}

/// A line that is driven.
pub(super) enum Output {
    #[cfg(feature = "rppal")]
    Pi(rppal::gpio::OutputPin, OutputPin),
    Chip(Request),
}

impl Gpio {
    /// Takes the pins, through rppal where the profile says so and this is a Pi, else through the
    /// character device of the chip with the profile's label.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no such chip, it may not be opened, or a line is taken.
    pub fn open(pins: &Pins) -> Result<Self> {
        #[cfg(feature = "rppal")]
        if pins.rppal {
            match Self::open_pi(pins) {
                Ok(gpio) => return Ok(gpio),
                Err(e) => log::info!("{e}; trying the character device"),
            }
        }
        Self::open_chip(pins)
    }

    /// What drives the pins, for people: `rppal on Raspberry Pi 4 B`, `tegra234-gpio`.
    pub fn driver(&self) -> &str {
        &self.driver
    }

    #[cfg(feature = "rppal")]
    fn open_pi(pins: &Pins) -> Result<Self> {
        let fail = |e: rppal::gpio::Error| fault("rppal", e);
        let model = rppal::system::DeviceInfo::new().map_err(|e| fault("rppal", e))?.model();
        let gpio = rppal::gpio::Gpio::new().map_err(fail)?;
        let pin = |line: u32| gpio.get(line as u8).map_err(fail);
        let output = |spec: OutputPin| {
            let pin = pin(spec.line)?;
            let dark = if spec.active_low { pin.into_output_high() } else { pin.into_output_low() };
            Ok(Output::Pi(dark, spec))
        };
        let button = pins.button.as_ref().map(|spec| {
            let pin = pin(spec.line)?;
            let pin = if spec.active_low { pin.into_input_pullup() } else { pin.into_input_pulldown() };
            Ok(Button { line: Input::Pi(pin), active_low: spec.active_low })
        });
        Self::assemble(pins, button, output, format!("rppal on {model}"))
    }

    fn open_chip(pins: &Pins) -> Result<Self> {
        let (path, label) = chip(&pins.chip)?;
        let asked = |line: u32, mut ask: gpiocdev::request::Builder| {
            let request = ask.on_chip(&path).with_consumer(CONSUMER).with_line(line).request();
            request.map_err(|e| fault(&format!("{} ({label}), line {line}", path.display()), e))
        };
        let output = |spec: OutputPin| {
            let mut ask = Request::builder();
            if spec.active_low {
                ask.as_active_low();
            }
            ask.as_output(Value::Inactive);
            Ok(Output::Chip(asked(spec.line, ask)?))
        };
        let button = pins.button.as_ref().map(|spec| {
            let mut ask = Request::builder();
            // A chip that has no resistors ignores the bias (Jetson).
            ask.as_input().with_bias(if spec.active_low { Bias::PullUp } else { Bias::PullDown });
            Ok(Button { line: Input::Chip(asked(spec.line, ask)?), active_low: spec.active_low })
        });
        Self::assemble(pins, button, output, label.clone())
    }

    fn assemble(
        pins: &Pins,
        button: Option<Result<Button>>,
        output: impl Fn(OutputPin) -> Result<Output>,
        driver: String,
    ) -> Result<Self> {
        let tasks = pins.outputs.iter().map(|pin| {
            let spec = OutputPin { line: pin.line, active_low: pin.active_low };
            Ok((pin.task, output(spec)?))
        });
        Ok(Self {
            button: button.transpose()?,
            led: pins.led.clone().map(&output).transpose()?,
            outputs: tasks.collect::<Result<_>>()?,
            driver,
        })
    }
}

impl Button {
    /// Whether it is pressed at this moment.
    pub(super) fn is_pressed(&self) -> Result<bool> {
        let high = match &self.line {
            #[cfg(feature = "rppal")]
            Input::Pi(pin) => pin.is_high(),
            Input::Chip(request) => {
                request.lone_value().map_err(|e| fault("the button", e))? == Value::Active
            }
        };
        Ok(high != self.active_low)
    }
}

impl Output {
    pub(super) fn set(&mut self, on: bool) -> Result<()> {
        match self {
            #[cfg(feature = "rppal")]
            Self::Pi(pin, spec) => {
                pin.write((on != spec.active_low).into());
                Ok(())
            }
            // The kernel turns active-low lines round.
            Self::Chip(request) => request.set_lone_value(on.into()).map_err(|e| fault("an output", e)),
        }
    }
}

/// The path and label of the first chip that has one of these labels.
fn chip(labels: &[String]) -> Result<(std::path::PathBuf, String)> {
    let paths = gpiocdev::chip::chips().map_err(|e| fault("the chips", e))?;
    let mut seen = Vec::new();
    for path in &paths {
        match gpiocdev::chip::Chip::from_path(path).and_then(|chip| chip.info()) {
            Ok(info) if labels.contains(&info.label) => return Ok((path.clone(), info.label)),
            Ok(info) => seen.push(info.label),
            Err(e) => seen.push(format!("{} ({e})", path.display())),
        }
    }
    let seen = if seen.is_empty() { "there is no chip at all".into() } else { seen.join(", ") };
    Err(fault(&format!("no chip is labelled {}", labels.join(" or ")), seen))
}

fn fault(what: &str, reason: impl Display) -> Error {
    Error::Input(format!("GPIO: {what}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::profile::Profile;

    #[test]
    fn a_machine_without_the_pins_says_so_in_one_line() {
        let mut pins = Profile::find("raspberry-pi-5").unwrap().gpio.unwrap();
        pins.chip = vec!["no-such-chip".into()];
        let Err(error) = Gpio::open(&pins) else { panic!("this machine has a Pi's pins") };
        let message = error.to_string();
        assert!(message.contains("no chip is labelled no-such-chip"), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}
