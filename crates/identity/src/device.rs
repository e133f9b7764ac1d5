//! A device in words, for its owner.

use authz_core::address_key;
use store::Device;

use crate::language::Language;

/// What a device is, as far as it is known: `Firefox on Windows, 192.0.2.1`.
///
/// Whoever knows a password chooses what their program calls itself, and the words go into letters: so only names from a list are
/// said, and nothing of theirs.
pub(crate) fn described(device: &Device, language: Language) -> String {
    let agent = device.agent.as_deref().unwrap_or_default();
    let named = |list: &[(&str, &'static str)]| {
        list.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    let t = &language.texts().device;
    let program = match (named(&PROGRAMS), named(&SYSTEMS)) {
        (Some(program), Some(system)) => t.program_on_system.say(&[program, system]),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => t.unknown.to_owned(),
    };
    match device.address {
        Some(address) => format!("{program}, {address}"),
        None => program,
    }
}

/// A browser at an address. Browsers are told apart by name and system: their versions change by the week.
pub(crate) fn place(device: &Device) -> String {
    let program = described(&Device { address: None, ..device.clone() }, Language::English);
    format!("{program} {}", address_key(device.address))
}

/// By what stands in a `User-Agent`. Most name those that they are like, so the order counts.
const PROGRAMS: [(&str, &str); 8] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi", "Vivaldi"),
    ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];
const SYSTEMS: [(&str, &str); 7] = [
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_from_a_list_and_never_by_itself() {
        let address = "192.0.2.1".parse().ok();
        for (agent, words) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 \
                 Edg/140.0",
                "Edge on Windows, 192.0.2.1",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Linux, 192.0.2.1",
            ),
            ("You have won! Call evil.example", "an unknown program, 192.0.2.1"),
        ] {
            assert_eq!(described(&Device::at(address, Some(agent)), Language::English), words);
        }
        assert_eq!(described(&Device::default(), Language::German), "ein unbekanntes Programm");
    }
}
