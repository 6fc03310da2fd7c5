// Written by editor/generate.py from the server's models; change those instead.
// What has a default may be left out of a request; an answer has everything.

export const PROTOCOL = 1;

export interface Accepted {
  id: number;
  type: "accepted";
  run: RunInfo;
}

/** An uploaded file. A workflow names it `asset:ID` where a node wants a path. */
export interface AssetInfo {
  asset: string;
  name: string;
  media_type: string;
  size: number;
  facts: Record<string, unknown>;
  url: string;
  time: number;
}

/** A node pack that could not be loaded. */
export interface Broken {
  pack: string;
  reason: string;
}

export interface CacheNotice {
  run: string;
  seq: number;
  time: number;
  type: "cache.notice";
  kind: string;
  message: string;
}

/** Cancel one run, or all that wait or run. Answered by Done. */
export interface Cancel {
  id: number;
  type: "cancel";
  run?: string | null;
}

/** What `/api/catalogue` answers. */
export interface Catalogue {
  document: Record<string, unknown>;
  nodes: Record<string, NodeInfo>;
  types: Record<string, TypeInfo>;
  converters: Converter[];
  categories: Category[];
  failures: Broken[];
}

/** Where a node stands in a list of nodes. */
export interface Category {
  id: string;
  title: string;
  about: string;
}

/** Something that was one thing and is another; None for what was not there or is gone. */
export interface Change {
  old: unknown;
  new: unknown;
  was: boolean;
  stays: boolean;
}

/** A run's place or state changed; only the newest of each run is sent. */
export interface Changed {
  type: "run";
  run: RunInfo;
}

/** The next bytes of a file. Answered by Done; the last one by Uploaded. */
export interface Chunk {
  id: number;
  type: "chunk";
  upload: string;
  offset: number;
  data: Uint8Array;
}

/** What differs between two workflows. Answered by Compared. */
export interface Compare {
  id: number;
  type: "compare";
  old: Side;
  new: Side;
}

export interface Compared {
  id: number;
  type: "compared";
  difference: Difference;
}

/** The one node that makes a value of one type into one of another, with nothing else to decide. */
export interface Converter {
  source: string;
  target: string;
  source_shape: string | Record<string, unknown>;
  target_shape: string | Record<string, unknown>;
  node: string;
  port: string;
  output: string;
}

/** Put a workflow into the trash. Answered by Deleted. */
export interface Delete {
  id: number;
  type: "delete";
  name: string;
}

export interface Deleted {
  id: number;
  type: "deleted";
  trash: string;
}

/** How a document differs from an older one. */
export interface Difference {
  name: Change | null;
  description: Change | null;
  added: Record<string, string>;
  removed: Record<string, string>;
  changed: Record<string, NodeChange>;
  parameters: Record<string, Change>;
  outputs: Record<string, Change>;
  layout: boolean;
}

export interface Done {
  id: number;
  type: "done";
}

/** Work that was not saved. */
export interface DraftInfo {
  draft: string;
  title: string;
  name: string;
  version: string;
  time: number;
  client: string;
  nodes: number;
  live: boolean;
}

export interface DraftList {
  id: number;
  type: "drafts";
  drafts: DraftInfo[];
}

export interface DraftOpened {
  id: number;
  type: "draft";
  draft: DraftInfo;
  document: Record<string, unknown>;
}

/** What was not saved. Answered by DraftList. */
export interface Drafts {
  id: number;
  type: "drafts";
}

/** Give a draft up. Answered by Done, also if it is gone already. */
export interface DropDraft {
  id: number;
  type: "drop_draft";
  draft: string;
}

/** Keep a copy of a workflow under another name. Answered by Saved. */
export interface Duplicate {
  id: number;
  type: "duplicate";
  name: string;
  to: string;
}

/** What would run, why, for how long and in how much memory. Answered by Explained. */
export interface Explain {
  id: number;
  workflow?: string;
  document?: Record<string, unknown> | null;
  values?: Record<string, unknown>;
  targets?: string[] | null;
  type: "explain";
}

export interface Explained {
  id: number;
  type: "explained";
  nodes: NodeStory[];
  document: Record<string, unknown>;
  total: Total;
  types: Record<string, Record<string, string>>;
  values: Record<string, Record<string, unknown>>;
}

/** A request that was refused. With id 0 if it could not even be read. */
export interface Failure {
  id: number;
  type: "failure";
  code: string;
  message: string;
  hint: string;
  problems: ProblemText[];
}

/** First message of a client. */
export interface Hello {
  id: number;
  type: "hello";
  protocol: number;
  client?: string;
}

/** The workflow that a file carries: an uploaded one, or one that a run made. Answered by Inspected. */
export interface Inspect {
  id: number;
  type: "inspect";
  asset?: string | null;
  run?: string | null;
  file?: number;
}

/** What a file says of how it was made; `document` is None if no workflow is inside. */
export interface Inspected {
  id: number;
  type: "inspected";
  document: Record<string, unknown> | null;
  key: string;
  node: string;
  versions: Record<string, string>;
}

/** Keep what somebody works on and has not saved, instead of what was kept of it. Answered by Done. */
export interface KeepDraft {
  id: number;
  type: "keep_draft";
  draft: string;
  title: string;
  name?: string;
  version?: string | "";
  document: Record<string, unknown>;
}

/** A kept workflow changed: it has this version now, or is gone. */
export interface Kept {
  type: "workflow";
  name: string;
  version: string | null;
}

/** The workflows kept on the server. Answered by Listed. */
export interface Library {
  id: number;
  type: "library";
}

export interface Listed {
  id: number;
  type: "listed";
  workflows: WorkflowInfo[];
  trash: TrashInfo[];
}

/** Put a waiting run before another, or at the end. Answered by Done. */
export interface Move {
  id: number;
  type: "move";
  run: string;
  before?: string | null;
}

export interface NodeCached {
  run: string;
  seq: number;
  time: number;
  node: string;
  item: number[];
  type: "node.cached";
  key: string;
}

/** How one node differs. */
export interface NodeChange {
  type: Change | null;
  version: Change | null;
  settings: Record<string, Change>;
  wires: Record<string, Change>;
}

export interface NodeFailed {
  run: string;
  seq: number;
  time: number;
  node: string;
  item: number[];
  type: "node.failed";
  code: string;
  message: string;
  hint: string;
  port: string;
}

export interface NodeFinished {
  run: string;
  seq: number;
  time: number;
  node: string;
  item: number[];
  type: "node.finished";
  seconds: number;
  bytes: number;
  stored: string;
  key: string;
}

/** Earlier results of one node of the workflows run under a name. Answered by NodeResults. */
export interface NodeHistory {
  id: number;
  type: "node_history";
  name: string;
  node: string;
  limit?: number;
}

/** All that the editor must know of a node. */
export interface NodeInfo {
  id: string;
  version: number;
  title: string;
  category: string;
  doc: string;
  ports: Record<string, PortInfo>;
  settings: Record<string, unknown>;
  outputs: Record<string, string>;
  output_shapes: Record<string, string | Record<string, unknown>>;
  flags: Record<string, boolean>;
}

export interface NodeNotice {
  run: string;
  seq: number;
  time: number;
  node: string;
  item: number[];
  type: "node.notice";
  message: string;
}

export interface NodePreview {
  run: string;
  seq: number;
  time: number;
  node: string;
  item: number[];
  type: "node.preview";
  media_type: string;
  data: Uint8Array;
}

export interface NodeProgress {
  run: string;
  seq: number;
  time: number;
  node: string;
  item: number[];
  type: "node.progress";
  done: number;
  total: number;
  eta: number | null;
}

/** An earlier result of a node, with the settings that made it. */
export interface NodeResult {
  run: string;
  time: number;
  key: string;
  item: string;
  seconds: number | null;
  settings: Record<string, unknown>;
}

export interface NodeResults {
  id: number;
  type: "node_results";
  results: NodeResult[];
}

export interface NodeSkipped {
  run: string;
  seq: number;
  time: number;
  node: string;
  item: number[];
  type: "node.skipped";
  reason: string;
}

export interface NodeStarted {
  run: string;
  seq: number;
  time: number;
  node: string;
  item: number[];
  type: "node.started";
}

/** What would happen to one node. */
export interface NodeStory {
  node: string;
  type: string;
  state: string;
  reasons: string[];
  hint: string;
  port: string;
  steps: number;
  cached: number;
  seconds: number | null;
  basis: "node" | "type" | "";
  scaled: string[];
  memory: number | null;
  keys: Record<string, string>;
}

/** A kept workflow, as it is or was. Answered by Opened. */
export interface Open {
  id: number;
  type: "open";
  name: string;
  version?: string | null;
}

/** A draft as it was kept last. Answered by DraftOpened. */
export interface OpenDraft {
  id: number;
  type: "open_draft";
  draft: string;
}

export interface Opened {
  id: number;
  type: "opened";
  workflow: WorkflowInfo;
  document: Record<string, unknown>;
}

/** A parameter of a template. */
export interface ParameterInfo {
  description: string;
  default: unknown;
}

/** Start no further run, or go on. Answered by Done. */
export interface Pause {
  id: number;
  type: "pause";
  on: boolean;
}

/** The queue was paused or goes on. */
export interface Paused {
  type: "paused";
  on: boolean;
}

/** A port of a node. */
export interface PortInfo {
  type: string;
  shape: string | Record<string, unknown>;
  required: boolean;
}

/** Set a waiting run's priority. Answered by Done. */
export interface Prioritise {
  id: number;
  type: "prioritise";
  run: string;
  priority: number;
}

/** One thing that is wrong with a workflow. */
export interface ProblemText {
  code: string;
  path: string;
  message: string;
  hint: string;
}

/** Give a workflow another name; its versions go with it. Answered by Saved. */
export interface Rename {
  id: number;
  type: "rename";
  name: string;
  to: string;
}

/** Take a workflow out of the trash, perhaps under another name. Answered by Saved. */
export interface Restore {
  id: number;
  type: "restore";
  trash: string;
  name?: string | null;
}

/** What `/api/results/{key}` answers: the outputs of one step. */
export interface ResultInfo {
  key: string;
  outputs: Record<string, Shown>;
}

/** Queue a failed or cancelled run once more. Answered by Accepted. */
export interface Retry {
  id: number;
  type: "retry";
  run: string;
}

export interface RunAccepted {
  run: string;
  seq: number;
  time: number;
  type: "run.accepted";
  workflow: string;
}

export interface RunCancelled {
  run: string;
  seq: number;
  time: number;
  type: "run.cancelled";
  seconds: number;
}

export interface RunFailed {
  run: string;
  seq: number;
  time: number;
  type: "run.failed";
  seconds: number;
  code: string;
  message: string;
}

export interface RunFinished {
  run: string;
  seq: number;
  time: number;
  type: "run.finished";
  seconds: number;
  computed: number;
  cached: number;
  failed: number;
}

/** A run as it stands in the queue. */
export interface RunInfo {
  run: string;
  state: "queued" | "running" | "finished" | "failed" | "cancelled";
  name: string;
  client: string;
  priority: number;
  accepted: number;
  started: number | null;
  ended: number | null;
  attempt: number;
  seq: number;
  retry_of: string | null;
  code: string;
  message: string;
  results: Record<string, unknown>;
}

export interface RunStarted {
  run: string;
  seq: number;
  time: number;
  type: "run.started";
  steps: number;
  cached: number;
}

/** Keep a workflow. Answered by Saved; refused if the kept one is not the version that was seen. */
export interface Save {
  id: number;
  type: "save";
  name: string;
  document: Record<string, unknown>;
  seen?: string | null;
}

export interface Saved {
  id: number;
  type: "saved";
  workflow: WorkflowInfo;
}

/** Numbers over the frames of a clip, the steps of a training or the like, in order and evenly spread. */
export interface Series {
  name: string;
  unit: string;
  values: (number | null)[];
}

/** One output of a node for people to see; see `graphflow.server.showing`. */
export interface Shown {
  type: string;
  kind: "image" | "video" | "audio" | "text" | "number" | "plot" | "table" | "file" | "list" | "none";
  url: string;
  media_type: string;
  value: unknown;
  series: Series[];
  count: number | null;
  facts: Record<string, unknown>;
}

/** One of two workflows that are compared: a kept one, as it is or was, or a document. */
export interface Side {
  name?: string | null;
  version?: string | null;
  document?: Record<string, unknown> | null;
}

/** Stands for all events of a run up to number `seq`. */
export interface Snapshot {
  type: "snapshot";
  run: string;
  seq: number;
  state: "queued" | "running" | "finished" | "failed" | "cancelled";
  nodes: Record<string, Record<string, number>>;
  notices: Record<string, string[]>;
}

/** Queue a run. Answered by Accepted when it is stored for good. */
export interface Submit {
  id: number;
  workflow?: string;
  document?: Record<string, unknown> | null;
  values?: Record<string, unknown>;
  targets?: string[] | null;
  type: "submit";
  priority?: number;
  on_error?: "skip" | "stop";
  request?: string | null;
}

/** A workflow that comes with graphflow. */
export interface TemplateInfo {
  name: string;
  description: string;
  parameters: Record<string, ParameterInfo>;
  nodes: number;
  picture: string | null;
}

/** An event of a run that is watched. Stored events are numbered without a gap; progress and previews carry the number of the last stored event before them. */
export interface Told {
  type: "event";
  event: RunAccepted | RunStarted | NodeCached | NodeStarted | NodeProgress | NodePreview | NodeNotice | NodeFinished | NodeFailed | NodeSkipped | CacheNotice | RunFinished | RunFailed | RunCancelled;
}

/** What a whole run would take. */
export interface Total {
  steps: number;
  cached: number;
  seconds: number | null;
  unknown: number;
  device_bytes: number | null;
  host_bytes: number | null;
  fullest: string;
}

/** A deleted workflow. */
export interface TrashInfo {
  id: string;
  name: string;
  time: number;
}

/** A type that stands on wires. */
export interface TypeInfo {
  bases: string[];
  shows: "image" | "video" | "audio" | "text" | "number" | "plot" | "table" | "file" | "none";
}

/** Be told of a run no more. Answered by Done. */
export interface Unwatch {
  id: number;
  type: "unwatch";
  run: string;
}

/** Begin to send a file. Answered by Uploading. */
export interface Upload {
  id: number;
  type: "upload";
  name: string;
  size: number;
}

export interface Uploaded {
  id: number;
  type: "uploaded";
  asset: AssetInfo;
}

export interface Uploading {
  id: number;
  type: "uploading";
  upload: string;
}

/** Every problem of a workflow. Answered by Validated. */
export interface Validate {
  id: number;
  workflow?: string;
  document?: Record<string, unknown> | null;
  values?: Record<string, unknown>;
  targets?: string[] | null;
  type: "validate";
}

export interface Validated {
  id: number;
  type: "validated";
  problems: ProblemText[];
}

/** One version of a workflow. */
export interface VersionInfo {
  version: string;
  time: number;
  size: number;
  nodes: number;
}

export interface VersionList {
  id: number;
  type: "versions";
  name: string;
  versions: VersionInfo[];
}

/** The versions of a workflow that are still there. Answered by VersionList. */
export interface Versions {
  id: number;
  type: "versions";
  name: string;
}

/** Be told of a run's events behind number `after`, or all; previews only if asked for. */
export interface Watch {
  id: number;
  type: "watch";
  run: string;
  after?: number;
  previews?: boolean;
}

export interface Watching {
  id: number;
  type: "watching";
  run: RunInfo;
}

export interface Welcome {
  id: number;
  type: "welcome";
  protocol: number;
  version: string;
  paused: boolean;
  queue: RunInfo[];
}

/** A workflow that the server keeps. */
export interface WorkflowInfo {
  name: string;
  version: string;
  time: number;
  size: number;
  nodes: number;
  description: string;
}

export type Answer =
  | Welcome
  | Accepted
  | Validated
  | Explained
  | Watching
  | Uploading
  | Uploaded
  | Inspected
  | NodeResults
  | Listed
  | Opened
  | Saved
  | VersionList
  | Deleted
  | DraftList
  | DraftOpened
  | Compared
  | Done
  | Failure
  | Told
  | Snapshot
  | Changed
  | Paused
  | Kept;

export type Event =
  | RunAccepted
  | RunStarted
  | NodeCached
  | NodeStarted
  | NodeProgress
  | NodePreview
  | NodeNotice
  | NodeFinished
  | NodeFailed
  | NodeSkipped
  | CacheNotice
  | RunFinished
  | RunFailed
  | RunCancelled;

export type Request =
  | Hello
  | Submit
  | Validate
  | Explain
  | Cancel
  | Retry
  | Move
  | Prioritise
  | Pause
  | Watch
  | Unwatch
  | Upload
  | Chunk
  | Inspect
  | NodeHistory
  | Library
  | Open
  | Save
  | Versions
  | Rename
  | Duplicate
  | Delete
  | Restore
  | KeepDraft
  | Drafts
  | OpenDraft
  | DropDraft
  | Compare;
