import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { startGoogleEmulator } from '../../../src/emulators/google/server.ts'
import { driveClient } from '../../../src/providers/google/drive.ts'
import { driveBackups } from '../../../src/providers/google/drive-backups.ts'
import { fetchBackup } from '../../../src/store/fetch-backup.ts'
import { makeBackup } from '../../../src/store/make-backup.ts'
import { newestForm } from '../../../src/store/migrate.ts'
import { openBackup, verifyBackup } from '../../../src/store/read-backup.ts'
import { backupWorld, migrations, passphrase } from '../../store/backup-world.ts'

/** A place for backups on an emulated Drive, and a world to make them of. */
async function driveWorld() {
  const world = await backupWorld()
  const { clock } = world
  const emulator = await startGoogleEmulator({ stateDir: world.inPlace('google'), clock })
  const tokens = {
    get: async () => ({
      token: emulator.admin.grant({ clientId: 'mine' }).accessToken,
      expiresAt: new Date(clock.now().getTime() + 3_000_000),
    }),
    forget: () => undefined,
  }
  const client = driveClient({ rootUrl: emulator.url, tokens, timeoutMs: 5000, clock })
  const place = driveBackups(client, 'Rodizio', clock)
  const own = world.inPlace('own')
  const make = () =>
    makeBackup(
      {
        root: world.data,
        copyDatabase: world.storage.copyDatabase,
        version: '1.2.3',
        store: 'drive',
        adapters: null,
        passphrase,
        now: () => clock.now(),
      },
      place,
      { folder: own, isOurs: true },
    )
  return {
    world,
    clock,
    place,
    client,
    own,
    make,
    emulator,
    read: (name: string) => openBackup(place, name, passphrase, newestForm(migrations)),
    async [Symbol.asyncDispose]() {
      await emulator.close()
      await world[Symbol.asyncDispose]()
    },
  }
}

describe('a backup on Google Drive', () => {
  it('arrives whole, is read back to its last byte, and leaves nothing on the disk here', async () => {
    await using drive = await driveWorld()
    const { name } = await drive.make()
    expect(await drive.place.names()).toEqual([name])
    await verifyBackup(await drive.read(name))
    expect(readdirSync(drive.own)).toEqual([])
  })

  it('is fetched beside the service, checked, and stays as it is the second time', async () => {
    await using drive = await driveWorld()
    const { name } = await drive.make()
    const fetched = async () => fetchBackup(await drive.read(name), drive.own, drive.clock.now())
    const path = await fetched()
    expect(readdirSync(drive.own)).toEqual([name])
    expect(await fetched()).toBe(path)
  })

  it('is none before its manifest is there, and what was left of it goes after a day', async () => {
    await using drive = await driveWorld()
    const { name } = await drive.make()
    const half = 'rodizio-20261121T033000000Z-aaaa'
    const parent = await drive.client.ensureFolder(`Rodizio/backups/${half}`)
    const appProperties = { rodizioBackup: half }
    await drive.client.create({ name: 'database.gz', parent, appProperties, content: 'half' })
    expect(await drive.place.names()).toEqual([name])
    drive.clock.advance(3600)
    await drive.make()
    expect(await drive.client.find({ appProperties })).toHaveLength(1)
    drive.clock.set('2026-11-23T04:00:00Z')
    await drive.place.keep('rodizio-20261123T040000000Z-bbbb', '', [])
    expect(await drive.client.find({ appProperties })).toEqual([])
    expect(await drive.place.names()).toHaveLength(2)
  })

  it('goes as a whole, and no other with it', async () => {
    await using drive = await driveWorld()
    const { name } = await drive.make()
    drive.clock.advance(10)
    const { name: other } = await drive.make()
    await drive.place.remove(name)
    await drive.place.remove(name)
    expect(await drive.place.names()).toEqual([other])
    await verifyBackup(await drive.read(other))
    await expect(drive.read(name)).rejects.toMatchObject({ code: 'backup_unknown' })
  })
})
