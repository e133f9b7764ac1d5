//! Letters, each with its subject.

/// The letters in one language.
#[derive(Debug)]
pub(crate) struct Letters {
    pub(crate) sign_up: &'static str,
    pub(crate) verify: &'static str,
    pub(crate) already: &'static str,
    pub(crate) reset: &'static str,
    pub(crate) password_changed: &'static str,
    pub(crate) factors_changed: &'static str,
    pub(crate) new_device: &'static str,
    pub(crate) change_email: &'static str,
    pub(crate) email_changed: &'static str,
    pub(crate) factors_reset: &'static str,
    pub(crate) first_password: &'static str,
    pub(crate) deleted: &'static str,
    pub(crate) invitation: &'static str,
}

/// The [`Letters`] in a folder below `letters/`.
macro_rules! letters {
    ($folder:literal) => {
        $crate::texts::Letters {
            sign_up: include_str!(concat!("../../letters/", $folder, "/sign_up.txt")),
            verify: include_str!(concat!("../../letters/", $folder, "/verify.txt")),
            already: include_str!(concat!("../../letters/", $folder, "/already.txt")),
            reset: include_str!(concat!("../../letters/", $folder, "/reset.txt")),
            password_changed: include_str!(concat!("../../letters/", $folder, "/password_changed.txt")),
            factors_changed: include_str!(concat!("../../letters/", $folder, "/factors_changed.txt")),
            new_device: include_str!(concat!("../../letters/", $folder, "/new_device.txt")),
            change_email: include_str!(concat!("../../letters/", $folder, "/change_email.txt")),
            email_changed: include_str!(concat!("../../letters/", $folder, "/email_changed.txt")),
            factors_reset: include_str!(concat!("../../letters/", $folder, "/factors_reset.txt")),
            first_password: include_str!(concat!("../../letters/", $folder, "/first_password.txt")),
            deleted: include_str!(concat!("../../letters/", $folder, "/deleted.txt")),
            invitation: include_str!(concat!("../../letters/", $folder, "/invitation.txt")),
        }
    };
}
pub(super) use letters;
