import { kaggleSessionsContract } from '../contract/kaggle-sessions.ts'
import { kaggleWorld } from './kaggle-world.ts'

kaggleSessionsContract('the emulated Kaggle', kaggleWorld)
