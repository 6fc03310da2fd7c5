/** Start: restore what was open, connect, draw. */

import '@xyflow/react/dist/style.css';
import './style/tokens.css';
import './style/shell.css';
import './style/home.css';
import './style/node.css';
import './style/canvas.css';
import './style/widgets.css';
import './style/results.css';
import './style/compare.css';
import './style/app.css';
import './style/panels.css';
import './style/inspector.css';
import './style/windows.css';
import './style/pickers.css';
import './style/form.css';
import './style/touch.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './App';
import { keepTabs, restoreTabs } from './store/autosave';
import { keepDrafts } from './store/drafts';
import { start } from './store/session';

restoreTabs();
keepTabs();
keepDrafts();
start();
const root = document.getElementById('root');
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
