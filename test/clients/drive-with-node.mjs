// Drives the official Node client of Google Drive against an address, and prints what it saw as JSON. Its module is named in
// the order, so that the package need not be one of ours. Every call names `rootUrl`: given once, media goes elsewhere.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { createRequire } from 'node:module'
import { json } from 'node:stream/consumers'

const order = await json(process.stdin)
const { drive: driveOf, auth: authOf } = createRequire(order.module)('@googleapis/drive')
const auth = new authOf.OAuth2({
  clientId: order.credentials.client_id,
  clientSecret: order.credentials.client_secret,
  endpoints: { oauth2TokenUrl: order.credentials.token_uri },
})
auth.setCredentials({ refresh_token: order.credentials.refresh_token })
const { files, about } = driveOf({ version: 'v3', auth })
const at = { rootUrl: `${order.drive}/` }

const folder = await files.create(
  { requestBody: { name: 'runs', mimeType: 'application/vnd.google-apps.folder' }, fields: 'id' },
  at,
)
const made = await files.create(
  {
    requestBody: { name: 'adapter', parents: [folder.data.id], appProperties: { run: 'r7' } },
    media: { mimeType: 'application/octet-stream', body: createReadStream(order.path) },
    fields: 'id,size,sha256Checksum',
  },
  at,
)
const fileId = made.data.id
const query = "appProperties has { key='run' and value='r7' } and trashed=false"
const listed = await files.list({ q: query, fields: 'files(id)' }, at)
const media = await files.get({ fileId, alt: 'media' }, { ...at, responseType: 'stream' })
const hash = createHash('sha256')
for await (const chunk of media.data) hash.update(chunk)
const part = await files.get(
  { fileId, alt: 'media' },
  { ...at, responseType: 'arraybuffer', headers: { range: 'bytes=10-19' } },
)
const replaced = await files.update(
  {
    fileId,
    media: { mimeType: 'text/plain', body: 'new' },
    fields: 'size',
    requestBody: { name: 'b' },
  },
  at,
)
const quota = await about.get({ fields: 'storageQuota' }, at)
await files.delete({ fileId }, at)
const afterDeletion = await files.get({ fileId }, at).then(
  () => 'still there',
  (error) =>
    `${error.status} ${error.errors?.[0]?.reason ?? error.response?.data?.error?.errors?.[0]?.reason}`,
)
process.stdout.write(
  JSON.stringify({
    made: made.data,
    listed: listed.data.files?.map(({ id }) => id).join() === fileId,
    sha256: hash.digest('hex'),
    part: Buffer.from(part.data).toString('hex'),
    partStatus: part.status,
    replaced: replaced.data,
    usage: quota.data.storageQuota?.usage,
    afterDeletion,
  }),
)
