// A TUF client that is not ours reads a repository: node foreign.mjs DIR TARGET…
// with tuf-js installed where node finds it. It verifies from the first root on
// and prints the name and size of each target that it has downloaded.
import { createRequire } from 'node:module'
import fs from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'

const { Updater } = createRequire(path.join(process.cwd(), 'x.js'))('tuf-js')
const [dir, ...targets] = process.argv.slice(2)
const server = http.createServer((req, res) => {
  const file = path.join(dir, decodeURIComponent(req.url))
  if (fs.existsSync(file)) res.end(fs.readFileSync(file))
  else res.writeHead(404).end()
})
await new Promise((up) => server.listen(0, '127.0.0.1', up))
const base = `http://127.0.0.1:${server.address().port}`
const metadataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'tuf-'))
fs.copyFileSync(path.join(dir, 'metadata/1.root.json'), path.join(metadataDir, 'root.json'))
try {
  const client = new Updater({ metadataDir, targetDir: metadataDir, metadataBaseUrl: base + '/metadata', targetBaseUrl: base + '/targets' })
  await client.refresh()
  for (const name of targets) {
    const file = await client.downloadTarget(await client.getTargetInfo(name))
    console.log(name, fs.statSync(file).size)
  }
} finally {
  server.close()
  fs.rmSync(metadataDir, { recursive: true })
}
