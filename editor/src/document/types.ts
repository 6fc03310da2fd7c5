/** The workflow document, version 1, as it lies in a file. See docs/workflow.md. */

export type WireText = string;
/** `node.output`, or `node` for its only output. */

export type Wires = WireText | readonly WireText[];

export type Mode = 'bypass' | 'mute';

export interface NodeUi {
  readonly x?: number;
  readonly y?: number;
  readonly width?: number;
  readonly title?: string;
  readonly collapsed?: boolean;
  /** All settings are shown on the node, not only the telling ones. */
  readonly expanded?: boolean;
  readonly mode?: Mode;
  /** Input name to the reroute that its wire is drawn through; for a list of wires, one each. */
  readonly via?: Readonly<Record<string, string | readonly (string | null)[]>>;
  /** The seed stays when a run draws new ones. */
  readonly locked?: readonly string[];
  readonly [more: string]: unknown;
}

export interface NodeEntry {
  readonly type: string;
  readonly version?: number;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly inputs?: Readonly<Record<string, Wires>>;
  readonly ui?: NodeUi;
}

export interface Parameter {
  readonly to: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
}

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Group extends Box {
  readonly title: string;
  readonly color: string;
}

export interface Note extends Box {
  readonly text: string;
}

export interface Reroute {
  readonly x: number;
  readonly y: number;
  /** The wire that comes in, or `reroute:ID` for another reroute before it. */
  readonly from: string;
}

export interface DocumentUi {
  readonly groups?: Readonly<Record<string, Group>>;
  readonly notes?: Readonly<Record<string, Note>>;
  readonly reroutes?: Readonly<Record<string, Reroute>>;
  readonly [more: string]: unknown;
}

export interface Workflow {
  readonly graphflow: number;
  readonly name?: string;
  readonly description?: string;
  readonly parameters?: Readonly<Record<string, Parameter>>;
  readonly nodes: Readonly<Record<string, NodeEntry>>;
  readonly outputs?: Readonly<Record<string, WireText>>;
  readonly ui?: DocumentUi;
}

export const EMPTY: Workflow = { graphflow: 1, nodes: {} };

export const ID = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/;
