/** Whoever plays the browser tests without a browser is told what to install. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const PLAY = fileURLToPath(new URL('../../e2e/run.mjs', import.meta.url));

it('names what is missing, and what to do', async () => {
  const env = { ...process.env, CHROMIUM: '/no/browser', GRAPHFLOW: '/no/graphflow' };
  const [code, told] = await new Promise((resolve) =>
    execFile(process.execPath, [PLAY], { env }, (error, _, stderr) => resolve([error?.code, stderr])),
  );
  expect(code).toBe(2);
  expect(told).toMatch(/no \/no\/browser\n {2}apt-get install chromium/);
  expect(told).toMatch(/no \/no\/graphflow\n {2}make demo/);
});
