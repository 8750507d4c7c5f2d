// Posts an event in the structured mode and one in the binary mode with the npm package cloudevents, by its own HTTP
// transport and as its readme shows. Prints a line of JSON for each answer.
const { CloudEvent, emitterFor, httpTransport, Mode } = require("cloudevents");

const [sink, key] = process.argv.slice(2);

async function main() {
  for (const mode of [Mode.STRUCTURED, Mode.BINARY]) {
    const emit = emitterFor(httpTransport(sink), { mode });
    const answer = await emit(
      new CloudEvent({
        id: `npm-${mode}`,
        source: "/shop/checkout",
        type: "com.example.order.placed",
        subject: "order 17",
        sessionid: `npm ${mode}`,
        data: { total: 12.5, note: "naïve ☃" },
      }),
      { headers: { authorization: `Bearer ${key}` } },
    );
    console.log(answer.body);
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
