import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** One chunk and one worker, no timestamps: the same source gives the same bytes, which are committed. */
export default defineConfig({
  base: '/',
  plugins: [react()],
  build: {
    target: 'es2022',
    outDir: '../graphflow/server/static',
    emptyOutDir: true,
    sourcemap: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  worker: { format: 'es' },
});
