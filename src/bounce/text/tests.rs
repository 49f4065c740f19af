//! Shapes of reports, one product family after the other; all mails are made up.
