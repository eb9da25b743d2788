// `node suite_mqttjs/main.mjs --host HOST --port PORT`. Each module registers its cases.
import { main } from './cases.mjs'
import './delivery.mjs'
import './properties.mjs'
import './retained.mjs'
import './sessions.mjs'
import './shared.mjs'
import './wills.mjs'

// MQTT.js throws what nobody listens for; a case that has ended no longer does.
process.on('uncaughtException', (error) => console.error(`note mqttjs: ${error.stack}`))
process.exit(await main('mqttjs'))
