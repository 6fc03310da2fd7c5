/** The committed editor stays light: what a browser loads to be ready. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';

const ASSETS = fileURLToPath(new URL('../../graphflow/server/static/assets', import.meta.url));
const MOST_KB = 250;

it('is less than 250 kB of scripts and styles, packed', async () => {
  const names = (await readdir(ASSETS)).filter((name) => /\.(js|css)$/.test(name));
  expect(names.map((name) => name.replace(/-.{8}(?=\.)/, '')).sort()).toEqual([
    'index.css',
    'index.js',
    'layout.worker.js',
  ]);
  const sizes = await Promise.all(
    names.map(async (name) => gzipSync(await readFile(join(ASSETS, name))).length),
  );
  const sum = sizes.reduce((all, one) => all + one, 0);
  expect(sum).toBeLessThan(MOST_KB * 1000);
});
