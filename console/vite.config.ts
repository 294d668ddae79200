/** How the application is built: below dist/console/app, with hashed names, each text compressed once here and never again by the service. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

const outDir = join(import.meta.dirname, '../dist/console/app')
/** The best levels cost seconds for a few percent. */
const brotliQuality = 9

const compressed: Plugin = {
  name: 'compressed',
  closeBundle() {
    for (const entry of readdirSync(outDir, { withFileTypes: true, recursive: true })) {
      if (!entry.isFile() || !/\.(?:js|css|svg)$/.test(entry.name)) continue
      const path = join(entry.parentPath, entry.name)
      const text = readFileSync(path)
      writeFileSync(`${path}.br`, brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: brotliQuality } }))
      writeFileSync(`${path}.gz`, gzipSync(text, { level: 9 }))
    }
  },
}

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react(), compressed],
  // `npm run dev:console` with a service on its usual port.
  server: { proxy: { '/api': 'http://127.0.0.1:8080' } },
  build: {
    outDir,
    emptyOutDir: true,
    reportCompressedSize: false,
    rolldownOptions: { checks: { pluginTimings: false } },
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
})
