/** The few things that go over HTTP: catalogues, templates, uploads, results. */

import type { Workflow } from '../document/types';
import type { RawCatalogue } from '../schema/defs';
import type { AssetInfo, ResultInfo, TemplateInfo } from './messages';
import { lostRefusal, Refusal } from './socket';
import { unfit } from './unfit';

export interface ModelInfo {
  /** What a workflow names it by. */
  readonly id: string;
  readonly title: string;
  readonly about: string;
  readonly group: 'embedded' | 'on disk' | 'catalogue';
  readonly tasks: readonly string[];
  readonly bytes: number | undefined;
  readonly licence: string;
  /** Whether this graphflow has a family for it. */
  readonly runs: boolean;
}

/** Ask by HTTP. Throws a Refusal, also if nobody is there. */
async function asked(url: string, init: RequestInit): Promise<Response> {
  const answer = await fetch(url, init).catch(() => {
    throw lostRefusal();
  });
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

async function get<T>(url: string): Promise<T> {
  const answer = await asked(url, { headers: { accept: 'application/json' } });
  return (await answer.json()) as T;
}

async function refusal(answer: Response): Promise<Refusal> {
  const text = await answer.text();
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string; hint: string } };
    return new Refusal(error.code, error.message, error.hint);
  } catch {
    return new Refusal(`http.${answer.status}`, `the server answered ${answer.status}`);
  }
}

export const catalogue = (): Promise<RawCatalogue> => get('/api/catalogue');

export const templates = (): Promise<TemplateInfo[]> => get('/api/templates');

/** A saved workflow or template by name. */
export const workflow = (name: string): Promise<Workflow> =>
  get(`/api/workflows/${encodeURIComponent(name)}`);

export const template = (name: string): Promise<Workflow> =>
  get(`/api/templates/${encodeURIComponent(name)}`);

interface RawModels {
  embedded: { name: string; bytes?: number; facts?: { description?: string; license?: string } }[];
  cached: { model: string; bytes?: number }[];
  catalogue: {
    id: string;
    repository: string;
    tasks?: string[];
    runs_here?: boolean;
    bytes_bfloat16?: number;
    licence?: { id?: string };
    notes?: string;
    on_disk?: boolean;
  }[];
}

/** What may be named where a model is wanted: embedded, on disk, known by the catalogue. */
export async function models(): Promise<ModelInfo[]> {
  const raw = await get<RawModels>('/api/models');
  const known = new Set(raw.catalogue.map((one) => one.repository));
  const plain = { tasks: [], licence: '', runs: true };
  return [
    ...raw.embedded.map((one): ModelInfo => ({
      ...plain,
      id: one.name,
      title: one.name,
      about: one.facts?.description ?? '',
      group: 'embedded',
      bytes: one.bytes,
      licence: one.facts?.license ?? '',
    })),
    ...raw.cached
      .filter((one) => !known.has(one.model))
      .map((one): ModelInfo => ({
        ...plain,
        id: one.model,
        title: one.model,
        about: '',
        group: 'on disk',
        bytes: one.bytes,
      })),
    ...raw.catalogue
      .filter((one) => one.repository !== '')
      .map((one): ModelInfo => ({
        id: one.repository,
        title: one.id,
        about: one.notes ?? '',
        group: one.on_disk === true ? 'on disk' : 'catalogue',
        tasks: one.tasks ?? [],
        bytes: one.bytes_bfloat16,
        licence: one.licence?.id ?? '',
        runs: one.runs_here !== false,
      })),
  ];
}

export const uploads = (kind: string): Promise<AssetInfo[]> =>
  get(`/api/uploads?kind=${encodeURIComponent(kind)}`);

/** Send a file; a workflow names it `asset:ID`. accepts: the kind that is wanted, such as `image`. Throws a Refusal that names the file. */
export async function upload(file: File, accepts = ''): Promise<AssetInfo> {
  const problem = unfit(file, accepts);
  if (problem !== '') throw new Refusal('asset.type', problem, accepts && `choose a file of kind ${accepts}`);
  try {
    const answer = await asked(`/api/uploads?name=${encodeURIComponent(file.name)}`, {
      method: 'POST',
      body: file,
      headers: { 'content-type': 'application/octet-stream' },
    });
    return (await answer.json()) as AssetInfo;
  } catch (error) {
    if (!(error instanceof Refusal) || error.code === 'connection') throw error;
    throw new Refusal(error.code, `${file.name}: ${error.message}`, error.hint);
  }
}

/** What a step made, as far as it can be shown. */
export const result = (key: string): Promise<ResultInfo> => get(`/api/results/${encodeURIComponent(key)}`);

/** The exact document that a run ran. */
export const runDocument = (run: string): Promise<Workflow> => get(`/api/runs/${run}/document`);
