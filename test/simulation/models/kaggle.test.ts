import { kaggleModel } from '../../../src/simulation/models/kaggle.ts'
import { virtualTime } from '../../../src/simulation/virtual-time.ts'
import { kaggleSessionsContract } from '../../contract/kaggle-sessions.ts'
import { quiet, scriptedRun, untilThen } from './scripted-run.ts'

kaggleSessionsContract('the model of Kaggle', async ({ startsAt, weeklyHours, queueSeconds }) => {
  const time = virtualTime(Date.parse(startsAt))
  const faults = quiet({
    kaggleLeastHours: weeklyHours,
    kaggleMostHours: weeklyHours,
    kaggleQueueMinutes: queueSeconds / 60,
  })
  const provider = kaggleModel({ time, seed: 1, faults, run: scriptedRun(time).run })
  return {
    provider,
    now: time.date,
    advance: (seconds) => time.advanceTo(time.now() + seconds * 1000),
    until: (what, is) => untilThen(time, what, is),
    notebook: (behaviour) => behaviour,
    [Symbol.asyncDispose]: async () => undefined,
  }
})
