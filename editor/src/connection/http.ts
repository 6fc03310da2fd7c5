/** The few things that go over HTTP: catalogues, templates, uploads, results. */

import type { Workflow } from '../document/types';
import type { RawCatalogue } from '../schema/defs';
import type { AssetInfo, ResultInfo, TemplateInfo } from './messages';
import { Refusal } from './socket';

export interface ModelInfo {
  readonly id: string;
  readonly about: string;
  readonly group: 'embedded' | 'on disk' | 'catalogue';
}

async function get<T>(url: string): Promise<T> {
  const answer = await fetch(url, { headers: { accept: 'application/json' } });
  if (!answer.ok) throw await refusal(answer);
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
  embedded: { name: string; bytes?: number; pipeline?: string }[];
  cached: { model: string; bytes?: number }[];
  catalogue: {
    id: string;
    repository: string;
    tasks?: string[];
    runs_here?: boolean;
    bytes_bfloat16?: number;
    on_disk?: boolean;
  }[];
}

/** What may be named where a model is wanted. */
export async function models(): Promise<ModelInfo[]> {
  const raw = await get<RawModels>('/api/models');
  const size = (bytes: number | undefined): string =>
    bytes ? `${(bytes / 1e9).toFixed(bytes < 1e9 ? 2 : 1)} GB` : '';
  const told = (...parts: (string | undefined)[]): string => parts.filter(Boolean).join(' · ');
  return [
    ...raw.embedded.map((one): ModelInfo => ({
      id: one.name,
      about: told(one.pipeline, size(one.bytes)),
      group: 'embedded',
    })),
    ...raw.cached.map((one): ModelInfo => ({ id: one.model, about: size(one.bytes), group: 'on disk' })),
    ...raw.catalogue
      .filter((one) => one.on_disk !== true && one.repository)
      .map((one): ModelInfo => ({
        id: one.repository,
        about: told(one.id, one.tasks?.join(', '), size(one.bytes_bfloat16)),
        group: 'catalogue',
      })),
  ];
}

export const uploads = (kind: string): Promise<AssetInfo[]> =>
  get(`/api/uploads?kind=${encodeURIComponent(kind)}`);

/** Send a file; a workflow names it `asset:ID`. */
export async function upload(file: File): Promise<AssetInfo> {
  const answer = await fetch(`/api/uploads?name=${encodeURIComponent(file.name)}`, {
    method: 'POST',
    body: file,
    headers: { 'content-type': 'application/octet-stream' },
  });
  if (!answer.ok) throw await refusal(answer);
  return (await answer.json()) as AssetInfo;
}

/** What a step made, as far as it can be shown. */
export const result = (key: string): Promise<ResultInfo> => get(`/api/results/${encodeURIComponent(key)}`);

/** The exact document that a run ran. */
export const runDocument = (run: string): Promise<Workflow> => get(`/api/runs/${run}/document`);
