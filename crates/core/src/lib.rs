//! The core of Shipway: the roles that plug-ins play, the plain data that crosses their boundaries,
//! the context that is their only door to the world, and the planner and driver that run a pipeline.
//!
//! A plug-in needs this crate alone. There is no YAML here, no network and no terminal.

mod artifact;
mod build_record;
mod cache;
mod capability;
mod catalog;
mod change;
mod command;
mod context;
mod declare;
mod deployment;
mod error;
mod event;
mod ignore;
mod image;
mod inputs;
mod plain;
mod release;
mod role;
mod run;
mod test_report;
mod value;

pub use self::{
    artifact::{Artifact, BuildRequest, TagRequest},
    build_record::BuildRecord,
    cache::{Cache, MemoryCache, Snapshot, WrittenThrough},
    capability::{Capabilities, Feature},
    catalog::{Catalog, Part, PluginConfig},
    change::{Change, ChangeSet, Desired, Verb},
    command::{Command, Exit, Mount, MountSource, RunRequest, SecretId, Volume},
    context::{
        Cancel, CancelReason, Clock, Context, Credentials, Disk, DiskCache, DiskEntry, DiskFile, DiskLock,
        Entry, EntryKind, Files, FixedCredentials, HostDisk, HostFiles, HostProcesses, Images, Login,
        LoginKind, OpenFile, Printed, Processes, RunContext, Secret, Stage, SystemClock, World, cores,
        create_beside, publish,
    },
    declare::{inputs_of_command, inputs_of_paths},
    deployment::{Deployment, Health, LogRequest, Phase, Timestamp},
    error::{Error, ErrorKind, ErrorReport, Location, Result, did_you_mean},
    event::{
        Discard, Event, EventKind, JsonLines, Level, Outcome, Received, Record, RunOutcome, RunState, Sink,
        Stream, Subscribers, Subscription, TaskState, TaskStatus, TextLines, Timeline, Unit,
    },
    ignore::{IgnoreRules, clean_path, glob_matches, read_ignore_file},
    image::{Digest, Image, Platform, Store, StoreKind, Tag, Target, Text},
    inputs::{Fingerprint, ForeignImage, Inputs, Reason, Sync, TaskId, Tree},
    plain::Plain,
    release::{Manifest, Manifests, ObjectId, Release, State},
    role::{Attester, Builder, Deployer, LogReader, Runner, Tagger, Tester},
    run::{
        Action, Aim, Allow, Answer, Build, Decision, Decisions, Deploy, DiskGates, DiskJournal, Driver, Gate,
        Gates, Journal, JournalEntry, JournalWriter, MemoryJournal, Need, Observed, ObservedBuild,
        ObservedTest, OpenJournal, Output, Pipeline, Plan, Policy, Preview, Question, ReleaseStatus, Report,
        Schedule, SharedVolume, Step, StepWork, Stop, Task, Trace, Verdict, Verify, Watch, When,
    },
    test_report::{Case, CaseOutcome, Subject, TestReport},
};
