/** Windows above the page. A new one is one line here; it is opened by name. */

import type { ComponentType } from 'react';
import { useUi } from '../store/ui';
import { AskDialog } from './AskDialog';
import { CloseDialog, ConflictDialog } from './CloseDialog';
import { CompareDialog } from './CompareDialog';
import { CommandsDialog } from './CommandsDialog';
import { ConfirmDialog } from './ConfirmDialog';
import { ConnectDialog } from './ConnectDialog';
import { FilesDialog } from './FilesDialog';
import { FormDialog } from './FormDialog';
import { HistoryDialog } from './HistoryDialog';
import { KeysDialog } from './KeysDialog';
import { ModelsDialog } from './ModelsDialog';
import { StructureDialog } from './StructureDialog';
import { VersionsDialog } from './VersionsDialog';
import { ViewDialog } from './ViewDialog';

// Each dialog checks the properties that it is opened with by its own type.
const DIALOGS: Readonly<Record<string, ComponentType<never>>> = {
  ask: AskDialog,
  close: CloseDialog,
  conflict: ConflictDialog,
  commands: CommandsDialog,
  compare: CompareDialog,
  confirm: ConfirmDialog,
  connect: ConnectDialog,
  files: FilesDialog,
  form: FormDialog,
  history: HistoryDialog,
  keys: KeysDialog,
  models: ModelsDialog,
  structure: StructureDialog,
  versions: VersionsDialog,
  view: ViewDialog,
};

export function Dialogs() {
  const dialog = useUi((state) => state.dialog);
  const Found = dialog && (DIALOGS[dialog.name] as ComponentType<object> | undefined);
  return Found ? <Found {...(dialog.props as object)} /> : null;
}
