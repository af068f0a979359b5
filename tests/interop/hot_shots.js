// SPDX-License-Identifier: Apache-2.0
// Sends one of everything with hot-shots: node hot_shots.js PORT PROTOCOL
const StatsD = require('hot-shots');

const client = new StatsD({
  host: '127.0.0.1',
  port: Number(process.argv[2]),
  protocol: process.argv[3],
  prefix: 'hs.',
  globalTags: {env: 'test'},
  errorHandler: (error) => { console.error(error); process.exitCode = 1; },
});

client.increment('hits');
client.increment('hits', 4);
client.increment('coded', 2, {code: '200', path: '/a b:c'});
client.decrement('down');
client.gauge('level', 12.5);
client.gaugeDelta('level', 2);
client.gaugeDelta('level', -4);
client.timing('took', 320);
client.histogram('size', 12.25);
client.distribution('spread', 7);
client.set('users', 'ann');
client.set('users', 'bob');
client.unique('users', 'ann');
client.event('title', 'text');
client.check('service', client.CHECKS.OK);
for (let i = 0; i < 500; i++) {
  client.increment('loop');
}
client.close((error) => { if (error) { throw error; } });
