//! A device's controls: exposure, gain, white balance, … by name.

use super::device::{Device, text};
use super::raw;
use crate::{Error, Result};
use serde::Serialize;
use std::path::Path;

const DISABLED: u32 = 0x0001;
const READ_ONLY: u32 = 0x0004;
const WRITE_ONLY: u32 = 0x0040;
/// `V4L2_CTRL_FLAG_NEXT_CTRL` and `_COMPOUND`: no part of the number.
const NUMBER: u32 = 0x3FFF_FFFF;
/// The most controls and the most entries of a menu that are read.
const MOST: usize = 512;

/// A control that has a number as its value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ControlInfo {
    /// Its name as a URI takes it: `exposure_time_absolute`.
    pub name: String,
    /// `integer`, `boolean`, `menu`, `button`, `bitmask` or `integer menu`.
    pub kind: &'static str,
    /// Smallest value.
    pub min: i64,
    /// Largest value.
    pub max: i64,
    /// Distance between values.
    pub step: u64,
    /// The driver's default.
    pub default: i64,
    /// The value now, where it can be read.
    pub value: Option<i32>,
    /// What the values of a menu mean.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub menu: Vec<MenuItem>,
    /// Whether it can be set.
    pub settable: bool,
    #[serde(skip)]
    id: u32,
}

/// An entry of a menu.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MenuItem {
    /// The control's value for it.
    pub value: i64,
    /// Its text, as the driver has it.
    pub text: String,
}

/// The controls of a device; compound ones, and those of text or 64 bits, are left out.
pub(super) fn controls(device: &Device) -> Vec<ControlInfo> {
    let mut controls = Vec::new();
    let mut last = 0;
    while let Ok(query) = raw::control_after(device.fd(), last) {
        let id = query.id & NUMBER;
        if id <= last || controls.len() == MOST {
            break;
        }
        last = id;
        let kind = match query.type_ {
            1 => "integer",
            2 => "boolean",
            3 => "menu",
            4 => "button",
            8 => "bitmask",
            9 => "integer menu",
            _ => continue,
        };
        if query.flags & DISABLED != 0 {
            continue;
        }
        let readable = query.flags & WRITE_ONLY == 0 && kind != "button";
        let is_menu = kind.ends_with("menu");
        controls.push(ControlInfo {
            name: name_of(&text(&query.name.map(|c| c as u8))),
            kind,
            min: query.minimum,
            max: query.maximum,
            step: query.step,
            default: query.default_value,
            value: readable.then(|| raw::control(device.fd(), id).ok()).flatten(),
            menu: if is_menu { menu(device, id, kind, query.minimum, query.maximum) } else { Vec::new() },
            settable: query.flags & READ_ONLY == 0,
            id,
        });
    }
    controls
}

fn menu(device: &Device, id: u32, kind: &str, min: i64, max: i64) -> Vec<MenuItem> {
    // Entries between that a driver lacks are refused.
    let entry = |value: i64| {
        let (name, number) = raw::menu_item(device.fd(), id, u32::try_from(value).ok()?).ok()?;
        let text = if kind == "menu" { text(&name) } else { number.to_string() };
        Some(MenuItem { value, text })
    };
    (min..=max).take(MOST).filter_map(entry).collect()
}

/// `White Balance, Auto & Preset` as `white_balance_auto_preset`.
fn name_of(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_").to_ascii_lowercase()
}

/// Sets controls by name, in the order given: a switch such as `auto_exposure` goes before
/// what it frees.
///
/// # Errors
/// [`Error::Input`], one line, where there is no such control (it lists those there are), the
/// value isn't one of its values, or the device refuses it.
pub(crate) fn set_controls(device: &Device, wanted: &[(String, String)]) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let controls = controls(device);
    for (name, value) in wanted {
        let (id, value) = read_setting(&controls, name, value).map_err(|e| device.refuse(e))?;
        raw::set_control(device.fd(), id, value)
            .map_err(|e| device.refuse(format!("{name}={value} is refused: {e}")))?;
    }
    Ok(())
}

/// Number and value for a setting.
fn read_setting(controls: &[ControlInfo], name: &str, value: &str) -> Result<(u32, i32), String> {
    let settable = controls.iter().filter(|control| control.settable);
    let Some(control) = settable.clone().find(|control| control.name == name) else {
        let names: Vec<_> = settable.map(|control| control.name.as_str()).collect();
        let known = if names.is_empty() { "none".into() } else { names.join(", ") };
        let keys = "a key (size, fps, format)";
        return Err(format!("{name:?} is neither {keys} nor a control of this device ({known})"));
    };
    let text = value.to_ascii_lowercase();
    let number = match (control.kind, text.as_str()) {
        ("boolean", "true" | "on" | "yes") => Some(1),
        ("boolean", "false" | "off" | "no") => Some(0),
        ("button", "") => Some(0),
        _ => {
            let named = control.menu.iter().find(|item| name_of(&item.text) == name_of(&text));
            let parsed = match text.strip_prefix("0x") {
                Some(digits) => i64::from_str_radix(digits, 16).ok(),
                None => text.parse().ok(),
            };
            parsed
                .filter(|_| control.kind != "integer menu" || named.is_none())
                .or(named.map(|item| item.value))
        }
    };
    // A bitmask has no minimum, and its maximum has the bits that can be set.
    let allowed = |n: &i64| match control.kind {
        "bitmask" => n & !control.max == 0,
        "button" => true,
        _ if control.menu.is_empty() => (control.min..=control.max).contains(n),
        _ => control.menu.iter().any(|item| item.value == *n),
    };
    let Some(number) = number.filter(allowed) else {
        return Err(format!("{name}={value} is not {}", values_of(control)));
    };
    // Bitmasks use all 32 bits.
    Ok((control.id, number as i32))
}

fn values_of(control: &ControlInfo) -> String {
    let ControlInfo { kind, min, max, step, menu, .. } = control;
    match *kind {
        "boolean" => "on or off".into(),
        "button" => "a push of a button, which takes no value".into(),
        "bitmask" => format!("a number with none but the bits {max:#x}"),
        _ if menu.is_empty() => format!("a number from {min} to {max} in steps of {step}"),
        _ => {
            let items: Vec<_> = menu.iter().map(|item| format!("{} ({})", item.value, item.text)).collect();
            format!("one of {}", items.join(", "))
        }
    }
}

/// Sets one control of a device by name, whoever streams from it.
///
/// # Errors
/// [`Error::Io`] where the device can't be opened, and [`Error::Input`] as for a URI with
/// that key.
pub fn set_control(path: &Path, name: &str, value: &str) -> Result<(), Error> {
    set_controls(&Device::open(path)?, &[(name.into(), value.into())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(name: &str, kind: &'static str, min: i64, max: i64, menu: &[(i64, &str)]) -> ControlInfo {
        let menu = menu.iter().map(|&(value, text)| MenuItem { value, text: text.into() }).collect();
        let name = name.into();
        ControlInfo { name, kind, min, max, step: 1, default: 0, value: None, menu, settable: true, id: 7 }
    }

    fn camera() -> Vec<ControlInfo> {
        vec![
            control("brightness", "integer", -64, 64, &[]),
            control("auto_exposure", "menu", 0, 3, &[(1, "Manual Mode"), (3, "Aperture Priority Mode")]),
            control("white_balance_automatic", "boolean", 0, 1, &[]),
            control("link_frequency", "integer menu", 0, 1, &[(0, "297000000"), (1, "445500000")]),
            control("disconnect", "button", 0, 0, &[]),
            control("flags", "bitmask", 0, 0x8000_0001, &[]),
            ControlInfo { settable: false, ..control("temperature", "integer", 0, 100, &[]) },
        ]
    }

    #[test]
    fn names_are_those_that_v4l2_ctl_shows() {
        assert_eq!(name_of("Exposure Time, Absolute"), "exposure_time_absolute");
        assert_eq!(name_of("White Balance, Auto & Preset"), "white_balance_auto_preset");
    }

    #[test]
    fn values_are_numbers_switches_or_entries_of_a_menu() {
        for (name, value, number) in [
            ("brightness", "-10", -10),
            ("auto_exposure", "1", 1),
            ("auto_exposure", "aperture_priority_mode", 3),
            ("white_balance_automatic", "off", 0),
            ("white_balance_automatic", "1", 1),
            ("link_frequency", "445500000", 1),
            ("link_frequency", "1", 1),
            ("disconnect", "1", 1),
            ("disconnect", "", 0),
            ("flags", "0x80000001", 0x8000_0001_u32 as i32),
        ] {
            assert_eq!(read_setting(&camera(), name, value), Ok((7, number)), "{name}={value}");
        }
    }

    #[test]
    fn mistakes_say_what_there_is() {
        for (name, value, said) in [
            ("brightnes", "1", "brightness, auto_exposure, white_balance_automatic, link_frequency"),
            ("temperature", "1", "neither a key (size, fps, format)"),
            ("brightness", "65", "a number from -64 to 64"),
            ("brightness", "high", "a number from -64 to 64"),
            ("brightness", "99999999999999999999", "a number from -64 to 64"),
            ("auto_exposure", "2", "one of 1 (Manual Mode), 3 (Aperture Priority Mode)"),
            ("white_balance_automatic", "perhaps", "on or off"),
            ("flags", "2", "the bits 0x80000001"),
        ] {
            let message = read_setting(&camera(), name, value).unwrap_err();
            assert!(message.contains(said) && message.lines().count() == 1, "{message}");
        }
        assert!(read_setting(&[], "gain", "1").unwrap_err().ends_with("(none)"));
    }
}
