import t from 'tap'
import { historyModel } from '../helpers/history-model'

const RUNS = Number(process.env.HISTORY_RUNS ?? 2_000)

t.test(`${RUNS} random runs: nothing is missing unless the client is told, nothing comes twice or too early`, { timeout: Math.max(170_000, RUNS * 85) }, async (t) => historyModel(t, RUNS))
