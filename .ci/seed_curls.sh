#!/usr/bin/env bash
# seed_curls.sh ADDRESS FOLDER: the curl commands of LiteLLM's two documents on RunwayML, as they
# stand there, against our server: only host and port are changed, and {video_id} is filled in.
set -euo pipefail
address=$1 folder=$2
mkdir -p "$folder"
cd "$folder"

read -r -d '' create <<'TEXT' || true
curl --location 'http://localhost:4000/v1/videos' \
--header 'Content-Type: application/json' \
--header 'x-litellm-api-key: sk-1234' \
--data '{
    "model": "runwayml/gen4_turbo",
    "prompt": "A high quality demo video of litellm ai gateway",
    "input_reference": "https://media.licdn.com/dms/image/v2/D4D0BAQFqOrIAJEgtLw/company-logo_200_200/company-logo_200_200/0/1714076049190/berri_ai_logo?e=2147483647&v=beta&t=7tG_KRZZ4MPGc7Iin79PcFcrpvf5Hu6rBM4ptHGU1DY",
    "ratio": "1280:720"
}'
TEXT
read -r -d '' status <<'TEXT' || true
curl --location 'http://localhost:4000/v1/videos/{video_id}' \
--header 'x-litellm-api-key: sk-1234'
TEXT
read -r -d '' content <<'TEXT' || true
curl --location 'http://localhost:4000/v1/videos/{video_id}/content' \
--header 'x-litellm-api-key: sk-1234' \
--output video.mp4
TEXT
read -r -d '' image <<'TEXT' || true
curl --location 'http://localhost:4000/v1/images/generations' \
--header 'Content-Type: application/json' \
--header 'x-litellm-api-key: sk-1234' \
--data '{
    "model": "runwayml/gen4_image",
    "prompt": "A serene mountain landscape at sunset",
    "size": "1920x1080"
}'
TEXT
readonly create status content image

# run COMMAND [ID]: a command of the documents, here; a status that is an error is one of ours.
run() {
  local command=${1//localhost:4000/$address}
  command=${command//\{video_id\}/${2:-}}
  bash -c "${command/#curl/curl --silent --show-error --fail-with-body --max-time 120}"
}

# field NAME…: a field of the JSON on standard input.
field() {
  python3 -c 'import json, sys
value = json.load(sys.stdin)
for name in sys.argv[1:]:
    value = value[int(name) if isinstance(value, list) else name]
print(value)' "$@"
}

# as_documented MODEL: the create of the videos' document, of this model, down to a file.
as_documented() {
  local answer id state=queued
  answer=$(run "${create/runwayml\/gen4_turbo/$1}")
  id=$(field id <<<"$answer")
  # It asks for no length, and is told the one that it gets.
  [[ $(field seconds <<<"$answer") == 5 ]] || { echo "$answer"; return 1; }
  echo "ok: $1: $id, at most $(field usage cost_usd <<<"$answer") dollars"
  for _ in {1..120}; do
    answer=$(run "$status" "$id")
    state=$(field status <<<"$answer")
    [[ $state == queued || $state == in_progress ]] || break
    sleep 0.5
  done
  [[ $state == completed ]] || { echo "$answer"; return 1; }
  # It is not free for that.
  [[ $(field progress <<<"$answer") == 100 && $(field size <<<"$answer") == 1280x720 &&
    $(field usage cost_usd <<<"$answer") == 0.25 ]] || { echo "$answer"; return 1; }
  rm -f video.mp4
  run "$content" "$id"
  echo "ok: $1: completed, $(stat -c %s video.mp4) bytes, $(field usage cost_usd <<<"$answer") dollars"
}

as_documented gen4-turbo
mv video.mp4 alias.mp4
as_documented runwayml/gen4_turbo

answer=$(run "$image")
address_of_image=$(field data 0 url <<<"$answer")
[[ $address_of_image == "http://$address/v1/files/"* ]] || { echo "no address of ours: $answer"; exit 1; }
curl --silent --show-error --fail-with-body --max-time 60 --output image.png "$address_of_image"
have=$(ffprobe -v error -select_streams v:0 -show_entries stream=codec_name,width,height -of csv=p=0 image.png)
[[ $have == png,1920,1080 ]] || { echo "image.png is $have"; exit 1; }
echo "ok: the image: $have, $(stat -c %s image.png) bytes"
