//! Every bound that is not the operator's to set, with its unit. The operator's own are in the
//! configuration, and these are their ceilings or defaults.

/// How large a request body may be, in bytes, unless the configuration says less or more.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// How many operations a bulk request may hold, unless the configuration says less or more.
pub const BULK_OPERATIONS_MAX: u64 = 1_000;

/// How large a bulk request may be, in bytes, unless the configuration says less or more: room for
/// as many operations of 4 KiB each.
pub const BULK_PAYLOAD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How much of a plugin's words stands in one operation of a bulk answer, in bytes; the rest is cut.
pub const BULK_DETAIL_BYTES_MAX: usize = 4 * 1024;

/// How many resources one page holds at most.
pub const PAGE_RESOURCES_MAX: usize = 200;

/// How many resources a page holds when the client does not say.
pub const PAGE_RESOURCES_DEFAULT: usize = 100;

/// How long a cursor can be used unless the configuration says less or more, in seconds.
pub const CURSOR_SECONDS_DEFAULT: u64 = 3_600;

/// How long a cursor may be, in bytes. The longest that is made here has less than half of it.
pub const CURSOR_BYTES_MAX: usize = 2_048;

/// How many resources, and memberships joined to them, a query may look at before it is refused as
/// `tooMany`, unless the configuration says less or more.
pub const SCAN_RESOURCES_MAX: usize = 1_000_000;

/// How many attributes the operator may have indexed beside the usual ones.
pub const INDEXES_MAX: usize = 64;
/// How many members of groups one answer holds in memory. Groups that do not fit are streamed, so
/// many members at a time.
pub const MEMBERS_HELD_MAX: usize = 1_000;

/// How many memberships one answer follows to tell the `groups` of its resources, direct and
/// indirect ones; beyond, it is refused rather than cut.
pub const GROUPS_FOLLOWED_MAX: usize = 100_000;

/// How many groups a deleted resource may leave in its one commit, each with a version of its own.
pub const GROUPS_LEFT_MAX: usize = 10_000;

/// How often one write starts again after a version clash. Later attempts queue for the
/// resource, so this many in a row means that something is wrong.
pub const WRITE_ATTEMPTS_MAX: u32 = 64;

/// How long one before-write hook may run, in milliseconds, unless the operator says less. With
/// eight plugins on a request, a caller waits four seconds at worst.
pub const HOOK_MILLIS_MAX: u64 = 500;

/// How long one observation or delivery may run, in milliseconds.
pub const DELIVERY_MILLIS_MAX: u64 = 30_000;

/// How much linear memory one call may use, in bytes.
pub const GUEST_MEMORY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How many elements a guest's tables may have, in all.
pub const GUEST_TABLE_ELEMENTS_MAX: usize = 20_000;

/// How large a guest's answer may be, in bytes.
pub const GUEST_OUTPUT_BYTES_MAX: usize = 1024 * 1024;

/// How many calls to the host one guest call may make.
pub const HOST_CALLS_MAX: u32 = 1_000;

/// How many log lines one guest call may write; the rest is counted, not kept.
pub const LOG_LINES_MAX: u32 = 100;

/// How long one log line of a guest may be, in bytes; the rest is cut.
pub const LOG_LINE_BYTES_MAX: usize = 2_048;

/// How much of a guest's stderr is kept for its fault, in bytes.
pub const STDERR_BYTES_MAX: usize = 4_096;

/// How many outbox messages one guest call may enqueue.
pub const OUTBOX_MESSAGES_PER_CALL_MAX: usize = 16;

/// How large one outbox message may be, headers included, in bytes.
pub const OUTBOX_MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// How many HTTP requests one guest call may make that somebody waits for.
pub const HTTP_CALLS_MAX: u32 = 5;

/// How many HTTP requests one delivery may make, and one observation: nobody waits for either, and what is provisioned
/// elsewhere takes some asking.
pub const DELIVERY_HTTP_CALLS_MAX: u32 = 32;

/// How large an HTTP answer to a guest may be, in bytes.
pub const HTTP_ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// How large a key of a plugin's state may be, in bytes.
pub const STATE_KEY_BYTES_MAX: usize = 256;

/// How large a value of a plugin's state may be, in bytes.
pub const STATE_VALUE_BYTES_MAX: usize = 64 * 1024;

/// How many entries one plugin's state may hold.
pub const STATE_ENTRIES_MAX: u64 = 100_000;

/// How large one file of schemas or resource types may be, in bytes.
pub const SCHEMA_FILE_BYTES_MAX: usize = 1024 * 1024;

/// How many files of schemas there may be, and how many of resource types.
pub const SCHEMA_FILES_MAX: usize = 256;

/// How large a component file may be, in bytes.
pub const COMPONENT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// How many resources of an answer a plugin is given to shape in one call.
pub const SHAPE_DOCUMENTS_MAX: usize = 100;

/// How many guest calls may run at once.
pub const GUEST_INSTANCES_MAX: u32 = 64;

/// How many messages wait in the outbox at most; a change that would add more is answered 503.
pub const OUTBOX_MESSAGES_MAX: u64 = 1_000_000;

/// How many deliveries run at once.
pub const DELIVERIES_MAX: usize = 16;

/// How often a delivery is tried before it is parked.
pub const DELIVERY_ATTEMPTS_MAX: u32 = 12;

/// The first wait between two attempts of a delivery, in milliseconds; it doubles from there.
pub const DELIVERY_BACKOFF_MILLIS_MIN: u64 = 250;

/// The longest wait between two attempts of a delivery, in milliseconds.
pub const DELIVERY_BACKOFF_MILLIS_MAX: u64 = 300_000;

/// How many plugins may stand behind one another in a change: one answers the change that another made, and so on.
/// Beyond, they count as a loop.
pub const HOPS_MAX: usize = 4;

/// How many jobs one plugin may have.
pub const JOBS_PER_PLUGIN_MAX: usize = 32;

/// How many jobs run at once, of all plugins together.
pub const JOBS_AT_ONCE_MAX: usize = 4;

/// Of how many jobs, by name, one process measures each for itself; jobs beyond are measured as one.
pub const JOBS_MEASURED_MAX: usize = 1_024;

/// How long one run of a job may take, in seconds.
pub const JOB_SECONDS_MAX: u64 = 600;

/// How often a job may be due at most: after so many seconds.
pub const JOB_EVERY_SECONDS_MIN: i64 = 1;

/// How seldom a job may be due at least: after so many seconds, a year of them.
pub const JOB_EVERY_SECONDS_MAX: i64 = 366 * 24 * 3_600;

/// By how much the operator may let a run begin later than it is due, in seconds.
pub const JOB_JITTER_SECONDS_MAX: i64 = 3_600;

/// How often a run may be cut off, by a crash or a stop, before it counts as failed.
pub const JOB_CUT_OFFS_MAX: u32 = 3;

/// How often a run that fails is tried at most before its next due time.
pub const JOB_ATTEMPTS_MAX: u32 = 8;

/// The first wait between two attempts of a run, in milliseconds; it doubles from there.
pub const JOB_BACKOFF_MILLIS_MIN: i64 = 30_000;

/// The longest wait between two attempts of a run, in milliseconds.
pub const JOB_BACKOFF_MILLIS_MAX: i64 = 3_600_000;

/// How many calls to the host one run of a job may make: it may go through a whole directory.
pub const JOB_HOST_CALLS_MAX: u32 = 100_000;

/// How many HTTP requests one run of a job may make.
pub const JOB_HTTP_CALLS_MAX: u32 = 1_000;

/// How long a plugin may take to describe itself or to check its configuration, in milliseconds.
pub const LIFECYCLE_MILLIS_MAX: u64 = 5_000;

/// How many calls of one plugin run at once, unless the operator says otherwise, so that one slow
/// plugin does not take every instance.
pub const GUEST_CALLS_PER_PLUGIN_DEFAULT: u32 = 16;

/// How many handles to host resources (streams, pollables) one guest call may hold.
pub const GUEST_HANDLES_MAX: usize = 1_000;

/// How many random bytes a guest may ask for at a time.
pub const GUEST_RANDOM_BYTES_MAX: u64 = 4_096;

/// How many bytes a guest may hand to the host in one call of an import.
pub const HOST_CALL_BYTES_MAX: usize = 1024 * 1024 + 64 * 1024;

/// How large the directory's answer to one question of a guest may be, in bytes.
pub const DIRECTORY_ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// How many faults of each plugin are remembered for its status.
pub const FAULTS_REMEMBERED_MAX: usize = 50;

/// How many functions of a guest's backtrace are kept for its fault.
pub const FAULT_FRAMES_MAX: usize = 8;

/// How long a fault's detail may be, in bytes; the rest is cut.
pub const FAULT_DETAIL_BYTES_MAX: usize = 8 * 1024;

/// How large the body of an outgoing HTTP request may be, in bytes.
pub const HTTP_REQUEST_BYTES_MAX: usize = 1024 * 1024;

/// How large the headers of an outgoing HTTP request, or of its answer, may be, in bytes.
pub const HTTP_HEADER_BYTES_MAX: usize = 32 * 1024;

/// How long finding a name's addresses and connecting to one may take, in milliseconds.
pub const HTTP_CONNECT_MILLIS_MAX: u64 = 5_000;

/// How many of a name's addresses are looked at.
pub const HTTP_ADDRESSES_MAX: usize = 16;

/// How many characters the operator may let a password have.
pub const PASSWORD_CHARS_MAX: usize = 1_024;

/// How little memory the operator may let one password hash take, in KiB: the least that the OWASP
/// password storage cheat sheet names.
pub const PASSWORD_MEMORY_KIB_MIN: u32 = 7 * 1024;

/// How much memory the operator may let one password hash take, in KiB.
pub const PASSWORD_MEMORY_KIB_MAX: u32 = 1024 * 1024;

/// How often the operator may let one password hash go through its memory.
pub const PASSWORD_ITERATIONS_MAX: u32 = 64;

/// How many lanes the operator may give one password hash.
pub const PASSWORD_LANES_MAX: u32 = 16;

/// How many passwords are hashed at once: each takes its memory for the time.
pub const PASSWORD_HASHES_MAX: usize = 4;

/// How long a request may wait until its password can be hashed, in milliseconds; then it is
/// answered 503.
pub const PASSWORD_WAIT_MILLIS_MAX: u64 = 10_000;

/// How long a time the guard against mass changes may look back on, in seconds: a day, since the
/// journal may be kept for no longer.
pub const GUARD_WINDOW_SECONDS_MAX: u64 = 86_400;

/// How many rows of the journal the guard against mass changes looks at when the server starts.
pub const GUARD_JOURNAL_ROWS_MAX: usize = 1_000_000;

/// For how long an operator may lift the guard against mass changes at a time, in minutes.
pub const GUARD_LIFT_MINUTES_MAX: u32 = 1_440;

/// How many people the operator may let register within a minute without a credential.
pub const REGISTRATIONS_PER_MINUTE_MAX: u32 = 10_000;

/// How many claims a token may carry.
pub const TOKEN_CLAIMS_MAX: usize = 32;

/// How large one claim of a token may be, name and value, in bytes.
pub const TOKEN_CLAIM_BYTES_MAX: usize = 1_024;

/// How many calls of plugins one request writes down.
pub const TRACE_STEPS_MAX: usize = 256;

/// How large a value may be that is written down with them, in bytes of JSON.
pub const TRACE_VALUE_BYTES_MAX: usize = 1_024;

/// How many requests are remembered with what their plugins did.
pub const REQUESTS_REMEMBERED_MAX: usize = 1_000;

/// About how much memory they may take together, in bytes.
pub const REQUESTS_REMEMBERED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How large the answer of a change may be that is only tried out, in bytes.
pub const TRIAL_ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How large a plugin's manifest may be, in bytes.
pub const MANIFEST_BYTES_MAX: usize = 64 * 1024;

/// How many faults of one hook group open a plugin's breaker, unless the operator says otherwise.
pub const BREAKER_FAULTS_DEFAULT: u32 = 5;

/// How many faults the operator may let a breaker count: each is remembered for its window.
pub const BREAKER_FAULTS_MAX: u32 = 1_000;

/// Within how many seconds those faults count, unless the operator says otherwise.
pub const BREAKER_WINDOW_SECONDS_DEFAULT: u64 = 60;

/// How long a breaker stays open before one call may try, in seconds, unless the operator says otherwise.
pub const BREAKER_OPEN_SECONDS_DEFAULT: u64 = 30;

/// How long the operator may make a breaker's window, and its rest, in seconds.
pub const BREAKER_SECONDS_MAX: u64 = 86_400;

/// How often in a row a breaker opens before its plugin is quarantined, unless the operator says otherwise.
pub const BREAKER_OPENINGS_DEFAULT: u32 = 5;

/// How long a changed file must have been left alone before it is read, in milliseconds: editors and copies write in
/// several steps.
pub const WATCH_QUIET_MILLIS: u64 = 200;

/// How many different uses of its grants are counted for each plugin.
pub const USES_REMEMBERED_MAX: usize = 256;

/// How many clients are connected to a listener at once, unless the configuration says less or more.
pub const CONNECTIONS_DEFAULT: usize = 4_096;

/// How many operators are connected at once, unless the configuration says less or more.
pub const ADMIN_CONNECTIONS_DEFAULT: usize = 256;

/// How many TLS handshakes of one listener run at once.
pub const HANDSHAKES_MAX: usize = 256;

/// How long one TLS handshake may take, in milliseconds.
pub const HANDSHAKE_MILLIS_MAX: u64 = 10_000;

/// How large a file with certificates or a key may be, in bytes.
pub const TLS_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// How long before a certificate's end operators are told, in seconds: a week.
pub const TLS_NOTICE_SECONDS: i64 = 7 * 24 * 60 * 60;

/// How many secrets the operator may configure.
pub const SECRETS_MAX: usize = 256;

/// How short a secret may be, in bytes: shorter ones would be blotted out of every other word.
pub const SECRET_BYTES_MIN: usize = 4;

/// How long a secret, or a token that was got for one, may be, in bytes.
pub const SECRET_BYTES_MAX: usize = 16 * 1024;

/// How long a token endpoint may take, in milliseconds.
pub const TOKEN_MILLIS_MAX: u64 = 10_000;

/// How large a token endpoint's answer may be, in bytes.
pub const TOKEN_ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How long a token lives whose endpoint does not say, in seconds.
pub const TOKEN_SECONDS_DEFAULT: u64 = 300;

/// How long a token is used at most, whatever its endpoint says, in seconds.
pub const TOKEN_SECONDS_MAX: u64 = 86_400;

/// How many series of metrics one plugin may begin while the process lives.
pub const GUEST_SERIES_MAX: usize = 200;

/// How many labels of its own one series of a plugin may have.
pub const GUEST_LABELS_MAX: usize = 8;

/// How long the name of a plugin's metric, or of its label, may be, in bytes.
pub const GUEST_METRIC_NAME_BYTES_MAX: usize = 64;

/// How long a label's value may be, in bytes.
pub const GUEST_LABEL_BYTES_MAX: usize = 128;
