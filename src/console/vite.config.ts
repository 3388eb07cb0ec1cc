import path from 'node:path'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

const SERVICE = process.env.SERVICE ?? 'http://127.0.0.1:3000'

/** Makes `dist/console`: files named by what is in them, which are cached for ever, and one page that names them. */
export default defineConfig({
  root: import.meta.dirname,
  base: '/console/',
  plugins: [vue()],
  define: {
    __VUE_OPTIONS_API__: 'true',
    __VUE_PROD_DEVTOOLS__: 'false',
    __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false',
    __VUE_I18N_FULL_INSTALL__: 'false',
    __VUE_I18N_LEGACY_API__: 'false',
    __INTLIFY_DROP_MESSAGE_COMPILER__: 'false',
    __INTLIFY_PROD_DEVTOOLS__: 'false'
  },
  build: {
    outDir: path.resolve(import.meta.dirname, '../../dist/console'),
    emptyOutDir: true,
    target: 'es2022',
    // The page's policy allows no data: in a style sheet.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Charts, which are loaded by the page that has them.
    chunkSizeWarningLimit: 700,
    reportCompressedSize: false
  },
  // `npm run console:dev`: the pages anew as they are written, before a service that runs.
  server: { proxy: { '/api': SERVICE, '/files': SERVICE, '/ws': { target: SERVICE, ws: true } } }
})
