/** The drawing area: nodes, wires, minimap, and what a person does to them with pointer and keys. */

import {
  Background,
  BackgroundVariant,
  MiniMap,
  ReactFlow,
  SelectionMode,
  useReactFlow,
  type Connection,
  type EdgeChange,
  type FinalConnectionState,
  type NodeChange,
} from '@xyflow/react';
import { useEffect, useMemo, useRef, useState, type DragEvent, type MouseEvent } from 'react';
import { openDropped } from '../commands/files';
import { enter } from '../commands/levels';
import { placeNode } from '../commands/graph';
import { shapeOfWire } from '../schema/judge';
import { join } from '../document/wires';
import { defOf, useCatalogue } from '../store/catalogue';
import { IDLE, useRuns } from '../store/runs';
import type { Point } from '../document/nodes';
import { setView, tabOf, useActive, useDoc, useTabs, type View } from '../store/tabs';
import { say, useUi } from '../store/ui';
import { resultHeight } from '../results/resultHeight';
import { applyEdges, applyNodes, removeWires, type Carried } from './changes';
import { splitWire } from '../document/reroute';
import { make, remake, verdictOf } from './connect';
import { Breadcrumbs } from './Breadcrumbs';
import { CanvasMenu, type MenuAt } from './CanvasMenu';
import { CanvasTools } from './CanvasTools';
import { beginDrag, endDrag } from './drag';
import { Flow, wireOf, type FlowNode, type WireEdge } from './flow';
import { GraphNode } from './GraphNode';
import { GroupNode, NoteNode, RerouteNode } from './marks';
import { DraggedWire, Wire } from './Wire';
import { edit } from '../store/tabs';
import { useStage } from './stage';

const NODE_TYPES = { graph: GraphNode, group: GroupNode, note: NoteNode, reroute: RerouteNode };
const EDGE_TYPES = { wire: Wire };
const MANY = 500;

const endsOf = (one: Connection | WireEdge) => ({
  source: one.source,
  output: one.sourceHandle ?? '',
  target: one.target,
  input: one.targetHandle ?? '',
});

function useFlow(): { nodes: FlowNode[]; edges: WireEdge[] } {
  const doc = useDoc();
  const tab = useTabs((state) => state.active);
  const selection = useActive((one) => one.selection, NOTHING);
  const run = useRuns((state) => state.tabs[tab] ?? IDLE);
  const catalogue = useCatalogue((state) => state.catalogue);
  const inner = useCatalogue((state) => state.inner);
  const flow = useRef(new Flow());
  const { types, results, previewed, values } = run;
  return useMemo(() => {
    const look = {
      selection,
      resultOf: (id: string) => resultHeight(run, id, defOf(doc.nodes[id]?.type ?? '')),
      defOf,
      shapeOf: (node: string, output: string | undefined) =>
        shapeOfWire(doc, join(node, output), defOf, types),
    };
    return { nodes: flow.current.nodes(doc, look), edges: flow.current.edges(doc, look) };
  }, [doc, selection, types, results, previewed, values, catalogue, inner]);
}

const NOTHING: ReadonlySet<string> = new Set();

export function Canvas() {
  const { nodes, edges } = useFlow();
  const tab = useTabs((state) => state.active);
  const theme = useUi((state) => state.theme);
  const minimap = useUi((state) => state.minimap);
  const snap = useUi((state) => state.snap);
  const flow = useReactFlow<FlowNode, WireEdge>();
  const carried = useRef<Carried>(new Map());
  const [menu, setMenu] = useState<MenuAt>();
  useStage(flow, nodes, tab);
  useView(flow, tab, nodes);

  const onConnectEnd = (event: globalThis.MouseEvent | TouchEvent, state: FinalConnectionState): void => {
    endDrag();
    if (state.isValid === true || state.fromHandle === null) return;
    const { fromHandle, toHandle } = state;
    const point = 'changedTouches' in event ? event.changedTouches[0] : event;
    if (point === undefined) return;
    if (toHandle !== null) {
      const [out, into] = fromHandle.type === 'source' ? [fromHandle, toHandle] : [toHandle, fromHandle];
      const ends = { source: out.nodeId, output: out.id ?? '', target: into.nodeId, input: into.id ?? '' };
      const verdict = verdictOf(ends);
      if (verdict.converter) make(ends);
      else if (verdict.reason !== '') say(verdict.reason, 'bad');
      return;
    }
    const at = flow.screenToFlowPosition({ x: point.clientX, y: point.clientY });
    const port = { node: fromHandle.nodeId, input: fromHandle.id ?? '' };
    const request =
      fromHandle.type === 'source'
        ? { from: `${port.node}.${port.input}` }
        : { into: { node: port.node, input: port.input } };
    useUi.setState({ palette: { x: point.clientX, y: point.clientY, at, ...request } });
  };

  const onDrop = (event: DragEvent): void => {
    event.preventDefault();
    const at = flow.screenToFlowPosition({ x: event.clientX, y: event.clientY });
    const type = event.dataTransfer.getData('application/x-graphflow-node');
    if (type !== '') placeNode(type, at);
    else if (event.dataTransfer.files.length > 0) void openDropped([...event.dataTransfer.files], at);
  };

  const openPalette = (event: MouseEvent): void => {
    if (!(event.target as HTMLElement).classList.contains('react-flow__pane')) return;
    const at = flow.screenToFlowPosition({ x: event.clientX, y: event.clientY });
    useUi.setState({ palette: { x: event.clientX, y: event.clientY, at } });
  };

  const menuAt = (x: number, y: number, on: MenuAt['on']): void =>
    setMenu({ x, y, at: flow.screenToFlowPosition({ x, y }), on });

  const openMenu = (event: MouseEvent | globalThis.MouseEvent, on: MenuAt['on']): void => {
    event.preventDefault();
    menuAt(event.clientX, event.clientY, on);
  };

  const menuOfChosen = (x: number, y: number): void => {
    const [first] = tabOf(useTabs.getState())?.selection ?? [];
    if (first !== undefined) menuAt(x, y, wireOf(first) ? { edge: first } : { node: first });
  };

  return (
    <div
      className="canvas"
      onDoubleClick={openPalette}
      onDrop={onDrop}
      onDragOver={(event) => event.preventDefault()}
    >
      <ReactFlow<FlowNode, WireEdge>
        nodes={nodes}
        edges={edges}
        nodeTypes={NODE_TYPES}
        edgeTypes={EDGE_TYPES}
        onNodesChange={(changes: NodeChange<FlowNode>[]) => applyNodes(changes, nodes, carried.current)}
        onEdgesChange={(changes: EdgeChange<WireEdge>[]) => applyEdges(changes)}
        onConnect={(connection) => make(endsOf(connection))}
        onConnectStart={(_, { nodeId, handleId, handleType }) => {
          if (nodeId && handleType) beginDrag(nodeId, handleId ?? '', handleType);
        }}
        onConnectEnd={onConnectEnd}
        onReconnect={(edge, connection) => {
          const wire = wireOf(edge.id);
          if (wire) remake(wire, endsOf(connection));
        }}
        onReconnectEnd={(_, edge, __, state) => {
          if (state.isValid !== true && state.toHandle === null) removeWires([edge.id]);
        }}
        isValidConnection={(connection) => verdictOf(endsOf(connection)).ok}
        connectionLineComponent={DraggedWire}
        connectionRadius={18}
        onEdgeDoubleClick={(event, edge) => {
          const wire = wireOf(edge.id);
          const at = flow.screenToFlowPosition({ x: event.clientX - 9, y: event.clientY - 9 });
          if (wire) edit('add reroute', (doc) => splitWire(doc, wire.node, wire.input, wire.index, at));
        }}
        onNodeDoubleClick={(event, node) => {
          const control = (event.target as HTMLElement).closest(
            'input, textarea, select, button, video, audio, a',
          );
          if (control === null && node.type === 'graph') void enter(node.id);
        }}
        onNodeContextMenu={(event, node) => openMenu(event, { node: node.id })}
        onEdgeContextMenu={(event, edge) => openMenu(event, { edge: edge.id })}
        onPaneContextMenu={(event) => openMenu(event, {})}
        onSelectionContextMenu={(event) => openMenu(event, {})}
        onMoveEnd={(_, view) => setView(tab, view)}
        colorMode={theme}
        minZoom={0.05}
        maxZoom={2.5}
        snapToGrid={snap}
        snapGrid={[12, 12]}
        onlyRenderVisibleElements
        edgesFocusable={false} // a port tells of its wires, and takes them away
        selectionMode={SelectionMode.Partial}
        selectionKeyCode="Shift"
        multiSelectionKeyCode={['Shift', 'Meta', 'Control']}
        deleteKeyCode={['Delete', 'Backspace']}
        elevateNodesOnSelect={false}
        zoomOnDoubleClick={false}
        panOnScroll={false}
        defaultViewport={tabOf(useTabs.getState())?.view}
        aria-label="workflow"
      >
        <Background variant={BackgroundVariant.Dots} gap={24} size={1.4} color="var(--grid)" />
        {minimap && nodes.length > 0 && nodes.length <= MANY && (
          <MiniMap<FlowNode>
            pannable
            zoomable
            ariaLabel="overview"
            style={{ width: 168, height: 112 }}
            nodeColor={(node) =>
              node.type === 'graph'
                ? node.data.color
                : node.type === 'group'
                  ? 'transparent'
                  : 'var(--line-strong)'
            }
            nodeStrokeWidth={0}
            nodeBorderRadius={8}
            maskColor="var(--mask)"
          />
        )}
      </ReactFlow>
      {nodes.length === 0 && (
        <div className="canvas-hint">
          <p>Double-click to add a node</p>
          <p>or drop a saved video, picture or workflow here</p>
        </div>
      )}
      <CanvasTools onMenu={menuOfChosen} />
      <Breadcrumbs />
      {menu && <CanvasMenu menu={menu} onClose={() => setMenu(undefined)} />}
    </div>
  );
}

/** Most nodes of which all are shown at once when they are opened: of more nothing could be read. */
const OVERVIEW = 200;

/** Below this zoom not even titles can be read. */
const LEGIBLE = 0.15;

/** The view in whose corner a place lies. */
function beginning({ x, y }: Point): View {
  const zoom = 0.75;
  return { x: 40 - x * zoom, y: 90 - y * zoom, zoom };
}

type Instance = ReturnType<typeof useReactFlow<FlowNode, WireEdge>>;

/** Each tab keeps the part of the canvas that it shows; a new one shows all, or the first of so many that none could be read. */
function useView(flow: Instance, tab: string, nodes: readonly FlowNode[]): void {
  const shown = useRef('');
  const count = nodes.length;
  useEffect(() => {
    if (tab === '' || shown.current === tab || count === 0) return;
    shown.current = tab;
    const view = tabOf(useTabs.getState(), tab)?.view;
    const first = nodes.find((node) => node.type === 'graph');
    if (view) void flow.setViewport(view);
    else if (count > OVERVIEW && first) void flow.setViewport(beginning(first.position));
    else
      requestAnimationFrame(() => {
        void flow.fitView({ padding: 0.06, maxZoom: 1 }).then(() => {
          if (first && flow.getZoom() < LEGIBLE) void flow.setViewport(beginning(first.position));
        });
      });
  }, [flow, tab, count]);
}
