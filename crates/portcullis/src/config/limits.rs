//! What is set about limits.

use authz_core::{Limit, Limits, Rate};

use super::Settings;
use super::error::{ConfigError, Fault};
use super::parse::{lifetime, setting};

pub(super) fn rates(settings: &Settings) -> Result<Limits, ConfigError> {
    let given = [
        (Limit::Registration, setting("limit_registration", settings.limit_registration.as_ref())),
        (Limit::LogIn, setting("limit_log_in", settings.limit_log_in.as_ref())),
        (Limit::LogInAccount, setting("limit_log_in_account", settings.limit_log_in_account.as_ref())),
        (Limit::LogInAnywhere, setting("limit_log_in_anywhere", settings.limit_log_in_anywhere.as_ref())),
        (Limit::SignUp, setting("limit_sign_up", settings.limit_sign_up.as_ref())),
        (Limit::Letter, setting("limit_letter", settings.limit_letter.as_ref())),
        (Limit::LetterAsked, setting("limit_letter_asked", settings.limit_letter_asked.as_ref())),
        (Limit::Already, setting("limit_already", settings.limit_already.as_ref())),
        (Limit::Requests, setting("limit_requests", settings.limit_requests.as_ref())),
        (Limit::Administration, setting("limit_administration", settings.limit_administration.as_ref())),
        (
            Limit::AdministrationAnywhere,
            setting("limit_administration_anywhere", settings.limit_administration_anywhere.as_ref()),
        ),
        (
            Limit::AdministrationUse,
            setting("limit_administration_use", settings.limit_administration_use.as_ref()),
        ),
        (Limit::Token, setting("limit_token", settings.limit_token.as_ref())),
    ];
    let mut limits = Limits::default();
    for (limit, setting) in given {
        if let Some(rate) = setting.read(rate)? {
            limits = limits.with(limit, rate);
        }
    }
    Ok(limits)
}

/// `60/1m`: so many within so long.
fn rate(text: &str) -> Result<Rate, Fault> {
    let (most, window) = text.split_once('/').ok_or(Fault::Rate)?;
    if most.len() > 6 || !most.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::Rate);
    }
    let most = most.parse().map_err(|_| Fault::Rate)?;
    Rate::new(most, lifetime(window)?.as_seconds()).map_err(|_| Fault::Rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_within_a_time() {
        assert_eq!(rate("60/1m").ok(), Some(Rate { most: 60, window: 60 }));
        assert_eq!(rate("999999/1d").ok(), Some(Rate { most: 999_999, window: 86_400 }));
        for wrong in
            ["", "60", "/1m", "60/", "0/1m", "60/0", "60/2d", "+6/1m", "1000000/1m", "60 / 1m", "1/1m/1m"]
        {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    /// What is written there is what holds, and is told by `--help`.
    #[test]
    fn the_example_of_each_limit_is_its_default() {
        for limit in Limit::ALL {
            let example = Settings::example(&format!("limit_{}", limit.as_str()));
            assert_eq!(rate(example).ok(), Some(Limits::default().rate(limit)), "{}", limit.as_str());
        }
    }
}
