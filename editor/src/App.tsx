/** The page: bars above and below, panels at the sides, the open workflow in the middle. */

import { ReactFlowProvider } from '@xyflow/react';
import { useEffect } from 'react';
import { Canvas } from './canvas/Canvas';
import { NodePalette } from './canvas/NodePalette';
import { listen } from './commands/keys';
import { hearClipboard } from './commands/clipboard';
import { Dialogs } from './dialogs';
import { AppView } from './screens/AppView';
import { Home } from './screens/Home';
import { Inspector } from './panels/Inspector';
import { Problems } from './panels/Problems';
import { SidePanels } from './panels';
import { StatusBar } from './screens/StatusBar';
import { Toasts } from './parts/Toasts';
import { TopBar } from './screens/TopBar';
import { useActive, useTabs } from './store/tabs';
import { useUi } from './store/ui';

export function App() {
  const theme = useUi((state) => state.theme);
  const dialog = useUi((state) => state.dialog);
  const inspector = useUi((state) => state.inspector);
  const active = useTabs((state) => state.active);
  const mode = useActive((tab) => tab.mode, 'graph');
  useEffect(listen, []);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  useEffect(hearClipboard, []);
  return (
    <ReactFlowProvider>
      <div className="app">
        <TopBar />
        <div className="work">
          <SidePanels />
          {active === '' ? (
            <Home />
          ) : mode === 'app' ? (
            <AppView />
          ) : (
            <main className="stage" aria-label="graph">
              <Canvas />
              <Problems />
            </main>
          )}
          {active !== '' && mode === 'graph' && inspector && <Inspector />}
        </div>
        <StatusBar />
        <NodePalette />
        <Dialogs />
        {dialog === undefined && <Toasts />}
      </div>
    </ReactFlowProvider>
  );
}
