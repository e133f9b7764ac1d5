//! Everything that pages and letters say, in one file per language, with a folder of letters. A text that a language lacks does not
//! compile. A new language is such a file, and a line in the list of [`Language`](crate::Language).

pub(crate) mod english;
pub(crate) mod german;
mod letters;
mod sentence;
mod stopped;
mod time;

pub(crate) use self::letters::Letters;
pub(crate) use self::sentence::Sentence;
pub(crate) use self::stopped::Stopped;
pub(crate) use self::time::Time;

/// What is said in one language.
#[derive(Debug)]
pub(crate) struct Texts {
    /// Its tag (RFC 5646).
    pub(crate) tag: &'static str,
    /// Which way it is written, as `dir` has it.
    pub(crate) direction: &'static str,
    pub(crate) entry: Entry,
    pub(crate) recovery: Recovery,
    pub(crate) moving_on: MovingOn,
    pub(crate) consent: Consent,
    pub(crate) account: Account,
    pub(crate) change: Change,
    pub(crate) home: Home,
    pub(crate) leave: Leave,
    pub(crate) stops: Stops,
    pub(crate) factors: Factors,
    pub(crate) device: Device,
    /// What stops a request of the protocol, unless this is the language that the protocol's pages are in.
    pub(crate) stopped: Option<Stopped>,
    pub(crate) refused: Refused,
    pub(crate) time: Time,
    pub(crate) letters: Letters,
}

/// Logging in and out, and signing up.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) log_in: &'static str,
    pub(crate) sign_up: &'static str,
    pub(crate) log_out: &'static str,
    pub(crate) name: &'static str,
    pub(crate) email: &'static str,
    pub(crate) password: &'static str,
    /// The fewest characters.
    pub(crate) password_hint: Sentence<1>,
    pub(crate) forgot: &'static str,
    pub(crate) no_account: &'static str,
    pub(crate) has_account: &'static str,
    pub(crate) logged_in: &'static str,
    /// An address.
    pub(crate) logged_in_as: Sentence<1>,
    pub(crate) start_from_app: &'static str,
    pub(crate) logged_out: &'static str,
    pub(crate) stay_connected: &'static str,
    pub(crate) too_old: &'static str,
}

/// Around letters.
#[derive(Debug)]
pub(crate) struct Recovery {
    pub(crate) forgot_title: &'static str,
    pub(crate) forgot: &'static str,
    pub(crate) send_link: &'static str,
    pub(crate) reset_title: &'static str,
    /// An address.
    pub(crate) reset_for: Sentence<1>,
    pub(crate) new_password: &'static str,
    pub(crate) logged_out_everywhere: &'static str,
    pub(crate) everything: &'static str,
    pub(crate) set_password: &'static str,
    pub(crate) password_set: &'static str,
    pub(crate) you_are_logged_out: &'static str,
    pub(crate) look_into_mail: &'static str,
    /// An address.
    pub(crate) reset_sent: Sentence<1>,
    /// An address.
    pub(crate) verify_sent: Sentence<1>,
    pub(crate) confirm_title: &'static str,
    pub(crate) own_password: &'static str,
    pub(crate) confirm: &'static str,
    pub(crate) confirm_not_me: &'static str,
    pub(crate) confirmed_title: &'static str,
    pub(crate) confirmed: &'static str,
    /// An address.
    pub(crate) unverified: Sentence<1>,
    pub(crate) have_confirmed: &'static str,
    pub(crate) no_letter: &'static str,
    pub(crate) send_again: &'static str,
    pub(crate) sent_again: &'static str,
    pub(crate) wrong_password: &'static str,
}

/// The page between two others.
#[derive(Debug)]
pub(crate) struct MovingOn {
    pub(crate) one_moment: &'static str,
    /// A client.
    pub(crate) back_to: Sentence<1>,
    pub(crate) if_nothing_happens: &'static str,
    pub(crate) can_close: &'static str,
    pub(crate) go_on: &'static str,
}

/// The question whether a client may have access.
#[derive(Debug)]
pub(crate) struct Consent {
    pub(crate) title: &'static str,
    /// A client, and a server.
    pub(crate) question: Sentence<2>,
    /// A client, and a server that it has access to already.
    pub(crate) question_of_more: Sentence<2>,
    pub(crate) unverified: &'static str,
    pub(crate) chose_it_itself: &'static str,
    pub(crate) may: &'static str,
    pub(crate) may_besides: &'static str,
    pub(crate) may_already: &'static str,
    pub(crate) optional: &'static str,
    /// Before what goes with a permission.
    pub(crate) includes: &'static str,
    pub(crate) server: &'static str,
    pub(crate) goes_back_to: &'static str,
    pub(crate) your_account: &'static str,
    pub(crate) allow: &'static str,
    pub(crate) deny: &'static str,
    pub(crate) not_you: &'static str,
    pub(crate) once_more: &'static str,
    pub(crate) nothing_ticked: &'static str,
    pub(crate) app_here: &'static str,
    /// The beginning of an address.
    pub(crate) app_of_scheme: Sentence<1>,
    pub(crate) warn_loopback: &'static str,
    pub(crate) warn_loopback_only: &'static str,
    pub(crate) warn_scheme: &'static str,
    pub(crate) scopes: Scopes,
}

/// What scopes allow that nobody has described.
#[derive(Debug)]
pub(crate) struct Scopes {
    pub(crate) on_your_behalf: &'static str,
    pub(crate) name_and_email: &'static str,
    pub(crate) openid: &'static str,
    pub(crate) profile: &'static str,
    pub(crate) email: &'static str,
    pub(crate) offline_access: &'static str,
    pub(crate) mcp_tools: &'static str,
    pub(crate) mcp_read: &'static str,
    pub(crate) mcp_write: &'static str,
}

/// One's own account.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) title: &'static str,
    /// An address.
    pub(crate) logged_in_as: Sentence<1>,
    pub(crate) connections: &'static str,
    pub(crate) no_connections: &'static str,
    pub(crate) more: &'static str,
    pub(crate) identity: &'static str,
    pub(crate) vouched: &'static str,
    pub(crate) first_party: &'static str,
    pub(crate) unverified: &'static str,
    pub(crate) from_host: &'static str,
    pub(crate) server: &'static str,
    pub(crate) since: &'static str,
    pub(crate) last_used: &'static str,
    pub(crate) device: &'static str,
    pub(crate) may: &'static str,
    pub(crate) narrow: &'static str,
    pub(crate) narrow_hint: &'static str,
    pub(crate) label: &'static str,
    pub(crate) label_hint: &'static str,
    pub(crate) save: &'static str,
    pub(crate) disconnect: &'static str,
    pub(crate) disconnect_hint: &'static str,
    /// A client.
    pub(crate) disconnect_client: Sentence<1>,
    /// A client, and how many connections.
    pub(crate) has_several: Sentence<2>,
    pub(crate) disconnect_all: &'static str,
    pub(crate) disconnect_all_hint: &'static str,
    pub(crate) sessions: &'static str,
    pub(crate) this_browser: &'static str,
    pub(crate) end_session: &'static str,
    pub(crate) end_other_sessions: &'static str,
    /// Two times.
    pub(crate) session_times: Sentence<2>,
    pub(crate) everything_title: &'static str,
    pub(crate) everything: &'static str,
    pub(crate) end_everything: &'static str,
    pub(crate) everything_ended: &'static str,
    pub(crate) prove_again: &'static str,
    pub(crate) back: &'static str,
    pub(crate) saved: &'static str,
    pub(crate) disconnected: &'static str,
    pub(crate) sessions_ended: &'static str,
    pub(crate) too_old: Stop,
    pub(crate) gone: Stop,
    pub(crate) nothing_left: Stop,
}

/// Changing what one logs in with.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) password_title: &'static str,
    pub(crate) current: &'static str,
    pub(crate) logged_out_elsewhere: &'static str,
    pub(crate) is_logged_out_elsewhere: &'static str,
    pub(crate) email_title: &'static str,
    pub(crate) new_email: &'static str,
    pub(crate) email_hint: &'static str,
    /// An address.
    pub(crate) email_sent: Sentence<1>,
}

/// The first page.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) what: &'static str,
    /// Before the address of the metadata.
    pub(crate) for_programs: &'static str,
}

/// Deleting an account.
#[derive(Debug)]
pub(crate) struct Leave {
    pub(crate) title: &'static str,
    pub(crate) what: &'static str,
    pub(crate) delete: &'static str,
    pub(crate) deleted_title: &'static str,
    pub(crate) deleted: &'static str,
}

/// A page for somebody who cannot go on: a heading, and what they can do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    pub(crate) title: &'static str,
    pub(crate) advice: &'static str,
}

/// For somebody who cannot go on.
#[derive(Debug)]
pub(crate) struct Stops {
    pub(crate) code: &'static str,
    pub(crate) no_page: Stop,
    pub(crate) no_request: Stop,
    pub(crate) wrong_method: Stop,
    pub(crate) unserved: Stop,
    pub(crate) too_old: Stop,
    pub(crate) elsewhere: Stop,
    pub(crate) no_form: Stop,
    pub(crate) unreadable: Stop,
    pub(crate) too_long: Stop,
    pub(crate) logged_out: Stop,
    pub(crate) no_sign_up: &'static str,
    pub(crate) dead_link: &'static str,
    pub(crate) not_now: &'static str,
}

/// The second step of a log-in, and what an account is opened by.
#[derive(Debug)]
pub(crate) struct Factors {
    pub(crate) second_title: &'static str,
    pub(crate) code: &'static str,
    pub(crate) code_hint: &'static str,
    pub(crate) go_on: &'static str,
    pub(crate) start_again: &'static str,
    pub(crate) use_passkey: &'static str,
    pub(crate) passkey_failed: &'static str,
    pub(crate) more_title: &'static str,
    pub(crate) more: &'static str,
    pub(crate) to_security: &'static str,
    pub(crate) security_title: &'static str,
    pub(crate) codes_title: &'static str,
    pub(crate) codes_shown_once: &'static str,
    pub(crate) codes_new: &'static str,
    /// How many.
    pub(crate) codes_left: Sentence<1>,
    pub(crate) app_title: &'static str,
    pub(crate) app_on: &'static str,
    pub(crate) app_off: &'static str,
    pub(crate) app_add: &'static str,
    pub(crate) app_remove: &'static str,
    pub(crate) app_scan: &'static str,
    pub(crate) app_picture: &'static str,
    pub(crate) app_type: &'static str,
    pub(crate) app_code: &'static str,
    pub(crate) app_confirm: &'static str,
    pub(crate) app_over: &'static str,
    pub(crate) cancel: &'static str,
    pub(crate) passkeys_title: &'static str,
    pub(crate) passkeys: &'static str,
    pub(crate) passkey: &'static str,
    pub(crate) passkey_name: &'static str,
    pub(crate) passkey_add: &'static str,
    pub(crate) passkey_rename: &'static str,
    pub(crate) passkey_remove: &'static str,
    pub(crate) passkey_script: &'static str,
    /// A date.
    pub(crate) passkey_unused: Sentence<1>,
    /// Two dates: added, last used.
    pub(crate) passkey_used: Sentence<2>,
    pub(crate) added: &'static str,
    pub(crate) removed: &'static str,
    pub(crate) renamed: &'static str,
    pub(crate) renewed: &'static str,
    pub(crate) wrong_code: &'static str,
    pub(crate) wrong_passkey: &'static str,
    pub(crate) known_passkey: &'static str,
    pub(crate) wrong_proof: &'static str,
    pub(crate) prove_password: &'static str,
    pub(crate) prove_either: &'static str,
    pub(crate) too_many: &'static str,
    pub(crate) last_way: &'static str,
    pub(crate) too_late: &'static str,
    pub(crate) take_back_title: &'static str,
    pub(crate) take_back: &'static str,
    pub(crate) take_back_address: &'static str,
    pub(crate) take_back_do: &'static str,
    pub(crate) taken_back_title: &'static str,
    pub(crate) taken_back: &'static str,
    pub(crate) again_title: &'static str,
    pub(crate) again: &'static str,
}

/// What somebody is there with.
#[derive(Debug)]
pub(crate) struct Device {
    /// A program, and an operating system.
    pub(crate) program_on_system: Sentence<2>,
    pub(crate) unknown: &'static str,
}

/// Why somebody may not come in, or may not have what they ask for.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) wrong: &'static str,
    pub(crate) not_an_email: &'static str,
    pub(crate) not_a_name: &'static str,
    /// The fewest characters.
    pub(crate) password_short: Sentence<1>,
    pub(crate) password_long: &'static str,
    pub(crate) password_common: &'static str,
    pub(crate) password_email: &'static str,
    pub(crate) email_taken: &'static str,
    pub(crate) sign_up_closed: &'static str,
    pub(crate) wrong_domain: &'static str,
    pub(crate) not_invited: &'static str,
    pub(crate) link_unknown: &'static str,
    pub(crate) link_used: &'static str,
    pub(crate) link_late: &'static str,
    pub(crate) no_mail: &'static str,
    pub(crate) logged_out: &'static str,
    /// A span of time.
    pub(crate) too_many: Sentence<1>,
    pub(crate) unavailable: &'static str,
}

#[cfg(test)]
mod tests {
    use crate::language::Language;

    #[test]
    fn two_languages_say_different_things() {
        let (english, german) = (Language::English.texts(), Language::German.texts());
        assert_ne!(english.entry.log_in, german.entry.log_in);
        assert_eq!(english.consent.question.say(&["A", "B"]), "Allow A to use B?");
        assert_eq!(german.consent.question.say(&["A", "B"]), "Darf A auf B zugreifen?");
    }
}
